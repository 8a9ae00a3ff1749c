//! An answer that stands already or is awaited: what needs no network allocates no future.

use std::{
    fmt,
    future::{Future, Ready, ready},
    pin::Pin,
    task::{Context, Poll},
};

use crate::runtime::BoxFuture;

/// What a store answers, now or later.
pub enum Answer<'a, T> {
    /// It stands.
    Ready(Ready<T>),
    /// It is awaited.
    Waiting(BoxFuture<'a, T>),
}

impl<'a, T> Answer<'a, T> {
    /// An answer that stands.
    pub fn now(value: T) -> Self {
        Self::Ready(ready(value))
    }

    /// An answer that comes later.
    pub fn later(future: impl Future<Output = T> + Send + 'a) -> Self {
        Self::Waiting(Box::pin(future))
    }

    /// The answer, where it stands already and was not taken.
    ///
    /// # Errors
    ///
    /// Itself, where it is awaited.
    pub fn take(self) -> Result<T, Self> {
        match self {
            Self::Ready(value) => Ok(value.into_inner()),
            Self::Waiting(_) => Err(self),
        }
    }
}

impl<T> Future for Answer<'_, T> {
    type Output = T;

    fn poll(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<T> {
        match &mut *self {
            Self::Ready(value) => Pin::new(value).poll(context),
            Self::Waiting(future) => future.as_mut().poll(context),
        }
    }
}

impl<T> fmt::Debug for Answer<'_, T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Ready(_) => "Answer::Ready",
            Self::Waiting(_) => "Answer::Waiting",
        })
    }
}
