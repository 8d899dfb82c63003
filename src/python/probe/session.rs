//! A machine that is stepped from several calls: shared, and in one pair of hands at a time.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError, TryLockError};

use pyo3::prelude::*;
use pyo3::types::PyTuple;

use super::super::drive::{self, Pending};
use crate::engine::{Operation, Step, Time};
use crate::error::{Error, Result};

/// The shared machine. As an operation it is an error, not a wait, to step it while another call does.
pub struct Session<M>(Arc<Mutex<M>>);

impl<M> Clone for Session<M> {
    fn clone(&self) -> Self {
        Self(Arc::clone(&self.0))
    }
}

impl<M> Session<M> {
    /// A session over `machine`.
    pub fn new(machine: M) -> Self {
        Self(Arc::new(Mutex::new(machine)))
    }

    /// Looks at the machine. No call holds it while it waits.
    pub fn lock(&self) -> MutexGuard<'_, M> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Makes an event's tuple.
type Convert<E> = for<'py> fn(Python<'py>, E) -> PyResult<Bound<'py, PyTuple>>;

impl<E: Send + 'static, M: Operation<Output = Option<E>> + Send + 'static> Session<M> {
    /// The next event, or `None` when it is over.
    pub fn next<'py>(&self, py: Python<'py>, convert: Convert<E>) -> PyResult<Option<Bound<'py, PyTuple>>> {
        drive::block(py, &mut self.clone())?.map(|event| convert(py, event)).transpose()
    }

    /// The same, to be awaited.
    pub fn next_async(&self, convert: Convert<E>) -> Pending {
        drive::pending(self.clone(), move |py, event| match event {
            Some(event) => Ok(convert(py, event)?.into_any().unbind()),
            None => Ok(py.None()),
        })
    }
}

impl<M: Operation> Operation for Session<M> {
    type Output = M::Output;

    fn step(&mut self, now: Time) -> Result<Step<M::Output>> {
        match self.0.try_lock() {
            Ok(mut machine) => machine.step(now),
            Err(TryLockError::Poisoned(poisoned)) => poisoned.into_inner().step(now),
            Err(TryLockError::WouldBlock) => {
                Err(Error::invalid("session", "another thread is using it; give each its own"))
            }
        }
    }

    fn partial(&mut self) -> Vec<u8> {
        self.lock().partial()
    }
}
