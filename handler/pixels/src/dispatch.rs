//! Hot loops compiled twice, for any machine and for those with AVX2 and BMI2, and the choice between them at run time.
//!
//! What is to be compiled so must be inlined, down to the last function that is hot.

#![expect(clippy::inline_always, reason = "what is not inlined is not compiled twice")]

use pulp::{Arch, Simd, WithSimd};

/// A loop that is worth it.
pub(crate) trait HotLoop {
    type Output;

    /// Runs the loop. To be inlined always.
    fn run(self) -> Self::Output;
}

struct Dispatched<L>(L);

impl<L: HotLoop> WithSimd for Dispatched<L> {
    type Output = L::Output;

    #[inline(always)]
    fn with_simd<S: Simd>(self, _: S) -> Self::Output {
        self.0.run()
    }
}

/// Runs a loop by the best instructions that the machine has. The result is the same on all.
pub(crate) fn dispatch<L: HotLoop>(work: L) -> L::Output {
    Arch::new().dispatch(Dispatched(work))
}
