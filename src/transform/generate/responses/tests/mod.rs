//! The laws, on fixtures and on recorded exchanges; and what is easily got wrong.

mod laws;
