//! The order of the coefficients in a JPEG file.

/// The place in a block, in natural order, of each coefficient in the order of a file.
pub(super) const ZIGZAG: [u8; 64] = [
    0, 1, 8, 16, 9, 2, 3, 10, 17, 24, 32, 25, 18, 11, 4, 5, 12, 19, 26, 33, 40, 48, 41, 34, 27, 20, 13, 6, 7, 14, 21,
    28, 35, 42, 49, 56, 57, 50, 43, 36, 29, 22, 15, 23, 30, 37, 44, 51, 58, 59, 52, 45, 38, 31, 39, 46, 53, 60, 61, 54,
    47, 55, 62, 63,
];

/// The natural place of a coefficient, within a block whatever its number.
#[expect(clippy::inline_always, reason = "the decoder's hot loops call it for each coefficient")]
#[inline(always)]
pub(super) fn place(index: usize) -> usize {
    usize::from(ZIGZAG[index & 63] & 63)
}
