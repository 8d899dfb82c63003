//! Drawings, as texts.

use pyo3::prelude::*;

use crate::draw::states::StateDiagram;
use crate::tcp::State;

/// TCP's state graph: `lit` are pairs of a state's name in RFC 9293 and a label.
#[pyclass(frozen, eq, hash, module = "eyesocket.tcp", name = "StateDrawing")]
#[derive(PartialEq, Eq, Hash)]
struct PyStateDiagram(StateDiagram);

#[pymethods]
impl PyStateDiagram {
    #[new]
    fn new(lit: Vec<(Name, Option<String>)>) -> Self {
        Self(StateDiagram::new(lit.into_iter().map(|(name, label)| (name.0, label))))
    }

    fn mermaid(&self) -> String {
        self.0.mermaid()
    }

    fn svg(&self) -> String {
        self.0.svg()
    }

    fn text(&self) -> String {
        self.0.text()
    }

    fn summary(&self) -> String {
        self.0.summary()
    }
}

/// A state by its name in RFC 9293.
struct Name(State);

impl<'py> FromPyObject<'_, 'py> for Name {
    type Error = PyErr;

    fn extract(object: Borrowed<'_, 'py, PyAny>) -> PyResult<Self> {
        let name: String = object.extract()?;
        let state = State::ALL.into_iter().find(|state| state.rfc() == name);
        state.map(Self).ok_or_else(|| pyo3::exceptions::PyValueError::new_err(format!("{name:?} is not a TCP state")))
    }
}

/// Adds this topic to the native module.
pub fn register(module: &Bound<'_, PyModule>) -> PyResult<()> {
    module.add_class::<PyStateDiagram>()
}
