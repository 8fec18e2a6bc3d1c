"""Reading: leads, histories, exports, and what was known at a moment."""
