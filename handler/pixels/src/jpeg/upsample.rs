//! Rows of a plane brought to the width and height of the output, by libjpeg's filters, to the bit.

/// Twice as many samples: three quarters of the nearer and one quarter of the further neighbour.
pub(super) fn across(from: &[u8], to: &mut [u8]) {
    let (to, _) = to.as_chunks_mut::<2>();
    let [first, .., last] = from else {
        to.iter_mut().zip(from).for_each(|(pair, value)| *pair = [*value; 2]);
        return;
    };
    let count = from.len();
    let mix = |near: u8, far: u8, bias: u16| narrow((u16::from(near) * 3 + u16::from(far) + bias) >> 2);
    for ((pair, three), _) in to[1..].iter_mut().zip(from.windows(3)).zip(2..count) {
        *pair = [mix(three[1], three[0], 1), mix(three[1], three[2], 2)];
    }
    to[0] = [*first, mix(*first, from[1], 2)];
    to[count - 1] = [mix(*last, from[count - 2], 1), *last];
}

/// The upper or the lower of the two rows that a row becomes.
pub(super) fn down(near: &[u8], far: &[u8], upper: bool, to: &mut [u8]) {
    let bias = if upper { 1 } else { 2 };
    for ((to, near), far) in to.iter_mut().zip(near).zip(far) {
        *to = narrow((u16::from(*near) * 3 + u16::from(*far) + bias) >> 2);
    }
}

/// Both at once, without rounding in between. `sums` is scratch of the same length as the rows.
pub(super) fn both(near: &[u8], far: &[u8], sums: &mut [u16], to: &mut [u8]) {
    let sums = &mut sums[..near.len()];
    for ((sum, near), far) in sums.iter_mut().zip(near).zip(far) {
        *sum = u16::from(*near) * 3 + u16::from(*far);
    }
    let (to, _) = to.as_chunks_mut::<2>();
    let [first, .., last] = &*sums else {
        to.iter_mut()
            .zip(&*sums)
            .for_each(|(pair, sum)| *pair = [narrow((sum * 4 + 8) >> 4), narrow((sum * 4 + 7) >> 4)]);
        return;
    };
    let count = sums.len();
    for (pair, three) in to[1..].iter_mut().zip(sums.windows(3)) {
        let center = three[1] * 3;
        *pair = [narrow((center + three[0] + 8) >> 4), narrow((center + three[2] + 7) >> 4)];
    }
    to[0] = [narrow((first * 4 + 8) >> 4), narrow((first * 3 + sums[1] + 7) >> 4)];
    to[count - 1] = [narrow((last * 3 + sums[count - 2] + 8) >> 4), narrow((last * 4 + 7) >> 4)];
}

/// Each sample so many times.
pub(super) fn repeat(from: &[u8], times: usize, to: &mut [u8]) {
    if times == 2 {
        let (to, _) = to.as_chunks_mut::<2>();
        to.iter_mut().zip(from).for_each(|(pair, value)| *pair = [*value; 2]);
        return;
    }
    for (to, value) in to.chunks_mut(times).zip(from) {
        to.fill(*value);
    }
}

#[inline(always)]
#[expect(clippy::cast_possible_truncation, reason = "an average of bytes is a byte")]
fn narrow(value: u16) -> u8 {
    value as u8
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn triangles_by_hand() {
        let mut to = [0; 6];
        across(&[10, 20, 40], &mut to);
        assert_eq!(to, [10, 13, 17, 25, 35, 40]);
        across(&[10, 20], &mut to[..4]);
        assert_eq!(to[..4], [10, 13, 17, 20]);
        across(&[9], &mut to[..2]);
        assert_eq!(to[..2], [9, 9]);
        down(&[10, 20], &[20, 10], true, &mut to[..2]);
        assert_eq!(to[..2], [12, 17]);
        both(&[10, 20, 40], &[10, 20, 40], &mut [0; 3], &mut to);
        assert_eq!(to, [10, 12, 18, 25, 35, 40]);
        repeat(&[1, 2], 3, &mut to);
        assert_eq!(to, [1, 1, 1, 2, 2, 2]);
    }
}
