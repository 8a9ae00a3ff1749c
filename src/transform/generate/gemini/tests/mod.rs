//! What the spoke must uphold.
