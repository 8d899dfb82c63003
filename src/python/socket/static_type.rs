//! The raw type on 3.11, where the stock module's is a static C struct: other attributes, nothing to collect.
//!
//! The struct is that of CPython 3.11, whose layout no longer changes; no other version comes here.
#![expect(unsafe_code, reason = "the interpreter's C API")]

use std::ffi::{CStr, c_char, c_uint, c_ulong, c_void};

use pyo3::ffi;
use pyo3::prelude::*;

use super::raw::{Given, Raised, owned};

/// `PyTypeObject`: the head, then 47 words, of which we name what we fill.
#[repr(C)]
struct TypeObject {
    head: ffi::PyVarObject,
    name: *const c_char,
    basic_size: ffi::Py_ssize_t,
    item_size: ffi::Py_ssize_t,
    dealloc: Option<ffi::destructor>,
    vectorcall_offset: ffi::Py_ssize_t,
    getattr_setattr_async: [*mut c_void; 3],
    repr: Option<ffi::reprfunc>,
    number_sequence_mapping_hash_call_str: [*mut c_void; 6],
    getattro: Option<ffi::getattrofunc>,
    setattro_buffer: [*mut c_void; 2],
    flags: c_ulong,
    doc: *const c_char,
    traverse_clear_richcompare: [*mut c_void; 3],
    weaklist_offset: ffi::Py_ssize_t,
    iter_iternext: [*mut c_void; 2],
    methods: *mut ffi::PyMethodDef,
    members: *mut ffi::PyMemberDef,
    getset: *mut ffi::PyGetSetDef,
    base_dict_descr_get_descr_set: [*mut c_void; 4],
    dict_offset: ffi::Py_ssize_t,
    init: Option<ffi::initproc>,
    alloc: *mut c_void,
    new: Option<ffi::newfunc>,
    free_is_gc_bases_mro_cache_subclasses_weaklist_del: [*mut c_void; 8],
    version_tag: c_uint,
    finalize: Option<ffi::destructor>,
    vectorcall: *mut c_void,
}

/// What the type consists of.
pub struct Parts {
    pub name: &'static CStr,
    pub doc: &'static CStr,
    pub size: usize,
    pub dealloc: ffi::destructor,
    pub repr: ffi::reprfunc,
    pub init: ffi::initproc,
    pub new: ffi::newfunc,
    pub finalize: ffi::destructor,
    pub methods: *mut ffi::PyMethodDef,
    pub members: *mut ffi::PyMemberDef,
    pub getset: *mut ffi::PyGetSetDef,
}

/// Makes the type, which lives for ever.
pub fn make(py: Python<'_>, parts: Parts) -> Given<'_> {
    // SAFETY: a type object of zeros is valid: null pointers and no flags.
    let mut object: TypeObject = unsafe { std::mem::zeroed() };
    object.head.ob_base = ffi::PyObject_HEAD_INIT;
    object.head.ob_base.ob_type = &raw mut ffi::PyType_Type;
    object.name = parts.name.as_ptr();
    object.doc = parts.doc.as_ptr();
    object.basic_size = parts.size.cast_signed();
    object.flags = ffi::Py_TPFLAGS_DEFAULT | ffi::Py_TPFLAGS_BASETYPE | ffi::Py_TPFLAGS_IMMUTABLETYPE;
    object.dealloc = Some(parts.dealloc);
    object.repr = Some(parts.repr);
    object.getattro = Some(ffi::PyObject_GenericGetAttr);
    object.init = Some(parts.init);
    object.new = Some(parts.new);
    object.finalize = Some(parts.finalize);
    object.methods = parts.methods;
    object.members = parts.members;
    object.getset = parts.getset;
    let object: *mut ffi::PyTypeObject = std::ptr::from_mut(Box::leak(Box::new(object))).cast();
    // SAFETY: the struct is complete, as 3.11 lays it out, and lives for ever.
    if unsafe { ffi::PyType_Ready(object) } < 0 {
        return Err(Raised);
    }
    owned(py, object.cast())
}
