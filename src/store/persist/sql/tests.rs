//! The schema's refusals and its backup, on SQLite files.
