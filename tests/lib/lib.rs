//! The test kit: packets built as they read on the wire, and fixtures.
