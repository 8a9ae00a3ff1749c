//! What was lifted is lowered as it was.
