//! Queues on a disk that tears, forgets and refuses.
//!
//! The judge is the engine itself: while a workload runs, its state after every record is noted. Whatever is opened later
//! must be in one of these states, and in none from before what was answered.

mod crash;
mod damage;
mod disk;
mod refusal;
mod workload;
