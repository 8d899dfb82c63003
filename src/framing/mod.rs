//! framing: stub
