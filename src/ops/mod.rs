//! For the operator: logs.
