//! local-queue
