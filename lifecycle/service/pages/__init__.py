"""Pages for people: leads, timelines, explanations, the audit, the quarantine with an editor."""

from lifecycle.service.pages.editor import CALLS as EDITOR
from lifecycle.service.pages.frame import CALLS as FRAME
from lifecycle.service.pages.frame import failed
from lifecycle.service.pages.views import CALLS as VIEWS

CALLS = (*FRAME, *VIEWS, *EDITOR)
__all__ = ["CALLS", "failed"]
