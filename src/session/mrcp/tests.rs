//! Conversations with a recognizer.
