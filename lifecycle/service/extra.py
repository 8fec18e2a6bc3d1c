"""The sentence of those who lack the extra ``serve``."""

from lifecycle.errors import MissingExtraError


def missing(error: ImportError) -> ImportError:
    """Return the error of a library that only the extra brings; any other as it is."""
    library = (error.name or "").partition(".")[0]
    if not library or library == "lifecycle":
        return error
    return MissingExtraError("Requests over HTTP", library, "serve")
