//! Profiles written by hand from ICC.1, and what their colours are in sRGB, computed in f64 from primaries and curves.

/// A space of three primaries.
#[derive(Clone, Copy)]
pub(super) struct Space {
    /// x and y of red, green and blue.
    pub(super) primaries: [(f64, f64); 3],
    pub(super) white: (f64, f64),
    pub(super) curve: Curve,
}

#[derive(Clone, Copy)]
pub(super) enum Curve {
    /// A power.
    Gamma(f64),
    /// That of sRGB, by its parameters.
    Srgb,
    /// That of sRGB, by so many samples.
    Samples(u16),
}

const D65: (f64, f64) = (0.3127, 0.3290);
const D50: (f64, f64) = (0.3457, 0.3585);

pub(super) const SRGB: Space =
    Space { primaries: [(0.64, 0.33), (0.30, 0.60), (0.15, 0.06)], white: D65, curve: Curve::Srgb };
pub(super) const DISPLAY_P3: Space =
    Space { primaries: [(0.680, 0.320), (0.265, 0.690), (0.150, 0.060)], white: D65, curve: Curve::Srgb };
pub(super) const ADOBE_RGB: Space =
    Space { primaries: [(0.64, 0.33), (0.21, 0.71), (0.15, 0.06)], white: D65, curve: Curve::Gamma(563.0 / 256.0) };
pub(super) const PRO_PHOTO: Space = Space {
    primaries: [(0.734_699, 0.265_301), (0.159_597, 0.840_403), (0.036_598, 0.000_105)],
    white: D50,
    curve: Curve::Gamma(1.8),
};

type Vector = [f64; 3];
type Matrix = [Vector; 3];

fn times(matrix: Matrix, vector: Vector) -> Vector {
    matrix.map(|row| row.iter().zip(vector).map(|(a, b)| a * b).sum())
}

fn product(a: Matrix, b: Matrix) -> Matrix {
    a.map(|row| [0, 1, 2].map(|column| (0..3).map(|k| row[k] * b[k][column]).sum()))
}

fn inverse(m: Matrix) -> Matrix {
    let minor = |r: usize, c: usize| {
        let (r1, r2, c1, c2) = ((r + 1) % 3, (r + 2) % 3, (c + 1) % 3, (c + 2) % 3);
        m[r1][c1] * m[r2][c2] - m[r1][c2] * m[r2][c1]
    };
    let determinant: f64 = (0..3).map(|c| m[0][c] * minor(0, c)).sum();
    [0, 1, 2].map(|r| [0, 1, 2].map(|c| minor(c, r) / determinant))
}

fn xyz((x, y): (f64, f64)) -> Vector {
    [x / y, 1.0, (1.0 - x - y) / y]
}

/// Bradford's adaptation to D50, which is the white of every profile.
fn to_d50(white: (f64, f64)) -> Matrix {
    let cone = [[0.8951, 0.2664, -0.1614], [-0.7502, 1.7135, 0.0367], [0.0389, -0.0685, 1.0296]];
    let (from, to) = (times(cone, xyz(white)), times(cone, xyz(D50)));
    let mut scale = [[0.0; 3]; 3];
    for channel in 0..3 {
        scale[channel][channel] = to[channel] / from[channel];
    }
    product(inverse(cone), product(scale, cone))
}

fn linear(value: f64) -> f64 {
    if value <= 0.040_45 { value / 12.92 } else { ((value + 0.055) / 1.055).powf(2.4) }
}

#[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "clamped to a byte")]
fn byte(light: f64) -> u8 {
    let light = light.clamp(0.0, 1.0);
    let value = if light <= 0.003_130_8 { light * 12.92 } else { 1.055 * light.powf(1.0 / 2.4) - 0.055 };
    (value * 255.0).round() as u8
}

impl Space {
    /// Light of this space to XYZ as a profile holds it.
    fn matrix(self) -> Matrix {
        let columns = self.primaries.map(xyz);
        let rows = [0, 1, 2].map(|row| columns.map(|column| column[row]));
        let scale = times(inverse(rows), xyz(self.white));
        let own = rows.map(|row| [row[0] * scale[0], row[1] * scale[1], row[2] * scale[2]]);
        product(to_d50(self.white), own)
    }

    fn light(self, color: [u8; 3]) -> Vector {
        color.map(|value| {
            let value = f64::from(value) / 255.0;
            match self.curve {
                Curve::Gamma(gamma) => value.powf(gamma),
                Curve::Srgb | Curve::Samples(_) => linear(value),
            }
        })
    }

    /// What a colour of this space is in sRGB, as near as it comes.
    pub(super) fn in_srgb(self, color: [u8; 3]) -> [u8; 3] {
        times(product(inverse(SRGB.matrix()), self.matrix()), self.light(color)).map(byte)
    }

    /// A profile of matrix and curves.
    pub(super) fn profile(self) -> Vec<u8> {
        written(*b"RGB ", *b"XYZ ", &self.tags())
    }

    /// The same with a table besides, and a matrix that is not to be used.
    pub(super) fn profile_with_table(self) -> Vec<u8> {
        let wrong = Self { primaries: SRGB.primaries, ..self };
        let mut tags = wrong.tags();
        tags.push((*b"desc", b"no description at all".to_vec()));
        tags.push((*b"A2B1", b"not read beside the other".to_vec()));
        tags.push((*b"A2B0", self.table()));
        written(*b"RGB ", *b"Lab ", &tags)
    }

    fn tags(self) -> Vec<([u8; 4], Vec<u8>)> {
        let matrix = self.matrix();
        let column = |column: usize| tag_xyz([0, 1, 2].map(|row: usize| matrix[row][column]));
        let mut tags = vec![(*b"wtpt", tag_xyz(xyz(D50)))];
        tags.extend([*b"rXYZ", *b"gXYZ", *b"bXYZ"].into_iter().zip(0..).map(|(name, at)| (name, column(at))));
        tags.extend([*b"rTRC", *b"gTRC", *b"bTRC"].map(|name| (name, tag_curve(self.curve))));
        tags
    }

    /// A table of sixteen bits, with a node at every multiple of 17.
    fn table(self) -> Vec<u8> {
        let mut tag = b"mft2\0\0\0\0\x03\x03\x10\0".to_vec();
        for row in 0..3 {
            for column in 0..3 {
                tag.extend(fixed(if row == column { 1.0 } else { 0.0 }));
            }
        }
        let ends = [0, 2, 0, 2];
        tag.extend(ends);
        tag.extend([[0, 0, 0xff, 0xff]; 3].concat());
        for index in 0..16 * 16 * 16_u16 {
            let node = |shift: u16| u8::try_from(index >> shift & 15).unwrap() * 17;
            let lab = lab(times(self.matrix(), self.light([node(8), node(4), node(0)])));
            // As version 2 writes it: 0xff00 is 100 in L, and 0x8000 is zero in a and b.
            let values = [lab[0] * 652.8, (lab[1] + 128.0) * 256.0, (lab[2] + 128.0) * 256.0];
            tag.extend(values.iter().flat_map(|value| short(*value)));
        }
        tag.extend([[0, 0, 0xff, 0xff]; 3].concat());
        tag
    }
}

/// Every how many steps of 255 a table of inks has a node.
const INK_STEP: u8 = 51;

/// The colour that inks make: what each leaves of white, times what black leaves of it.
fn inked([cyan, magenta, yellow, black]: [u8; 4]) -> [u8; 3] {
    let left = |ink: u8| f64::from(255 - ink) / 255.0;
    #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "a part of 255")]
    [cyan, magenta, yellow].map(|ink| (left(ink) * left(black) * 255.0).round() as u8)
}

impl Space {
    /// What inks are in sRGB, exactly at the nodes of the table.
    pub(super) fn inks_in_srgb(self, inks: [u8; 4]) -> [u8; 3] {
        self.in_srgb(inked(inks))
    }

    /// A profile of four inks that make the colours of this space, with a table of bytes or of words. `darkest` is the part of
    /// white that all inks together leave.
    pub(super) fn profile_of_inks(self, bytes_a_value: u8, darkest: f64) -> Vec<u8> {
        let nodes = 255 / INK_STEP + 1;
        let mut tag = vec![b'm', b'f', b't', b'0' + bytes_a_value];
        tag.extend([0, 0, 0, 0, 4, 3, nodes, 0]);
        for row in 0..3 {
            for column in 0..3 {
                tag.extend(fixed(if row == column { 1.0 } else { 0.0 }));
            }
        }
        let ramp = |tag: &mut Vec<u8>, curves: usize| match bytes_a_value {
            1 => (0..curves).for_each(|_| tag.extend(0..=255)),
            _ => tag.extend([0, 0, 0xff, 0xff].repeat(curves)),
        };
        if bytes_a_value == 2 {
            tag.extend([0, 2, 0, 2]);
        }
        ramp(&mut tag, 4);
        let nodes = usize::from(nodes);
        for index in 0..nodes.pow(4) {
            let ink = |place: u32| u8::try_from(index / nodes.pow(place) % nodes).unwrap() * INK_STEP;
            let light = self.light(inked([ink(3), ink(2), ink(1), ink(0)]));
            let seen = times(self.matrix(), light);
            let paper = xyz(D50);
            let [l, a, b] = lab([0, 1, 2].map(|axis: usize| paper[axis] * darkest + seen[axis] * (1.0 - darkest)));
            match bytes_a_value {
                1 => tag.extend([l * 2.55, a + 128.0, b + 128.0].map(|value| short(value * 256.0)[0])),
                _ => tag.extend([l * 652.8, (a + 128.0) * 256.0, (b + 128.0) * 256.0].iter().flat_map(|v| short(*v))),
            }
        }
        ramp(&mut tag, 3);
        written(*b"CMYK", *b"Lab ", &[(*b"wtpt", tag_xyz(xyz(D50))), (*b"A2B0", tag)])
    }
}

fn lab(color: Vector) -> Vector {
    let white = xyz(D50);
    let [x, y, z] = [0, 1, 2].map(|channel| {
        let part = color[channel] / white[channel];
        if part > 216.0 / 24389.0 { part.cbrt() } else { (part * 24389.0 / 27.0 + 16.0) / 116.0 }
    });
    [116.0 * y - 16.0, 500.0 * (x - y), 200.0 * (y - z)]
}

pub(super) fn gray_profile(gamma: f64) -> Vec<u8> {
    written(*b"GRAY", *b"XYZ ", &[(*b"wtpt", tag_xyz(xyz(D50))), (*b"kTRC", tag_curve(Curve::Gamma(gamma)))])
}

pub(super) fn gray_profile_of_srgb() -> Vec<u8> {
    written(*b"GRAY", *b"XYZ ", &[(*b"wtpt", tag_xyz(xyz(D50))), (*b"kTRC", tag_curve(Curve::Samples(1024)))])
}

pub(super) fn gray_in_srgb(gamma: f64, value: u8) -> u8 {
    byte((f64::from(value) / 255.0).powf(gamma))
}

#[expect(clippy::cast_possible_truncation, reason = "values of a profile are small")]
fn fixed(value: f64) -> [u8; 4] {
    ((value * 65536.0).round() as i32).to_be_bytes()
}

#[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "clamped to sixteen bits")]
fn short(value: f64) -> [u8; 2] {
    (value.round().clamp(0.0, 65535.0) as u16).to_be_bytes()
}

fn tag_xyz(value: Vector) -> Vec<u8> {
    [b"XYZ \0\0\0\0".to_vec(), value.iter().flat_map(|value| fixed(*value)).collect()].concat()
}

fn tag_curve(curve: Curve) -> Vec<u8> {
    match curve {
        Curve::Gamma(gamma) => [b"curv\0\0\0\0\0\0\0\x01".as_slice(), &short(gamma * 256.0)].concat(),
        Curve::Srgb => {
            let parameters = [2.4, 1.0 / 1.055, 0.055 / 1.055, 1.0 / 12.92, 0.040_45];
            [b"para\0\0\0\0\0\x03\0\0".to_vec(), parameters.iter().flat_map(|value| fixed(*value)).collect()].concat()
        }
        Curve::Samples(count) => {
            let samples = (0..count).flat_map(|at| short(linear(f64::from(at) / f64::from(count - 1)) * 65535.0));
            [b"curv\0\0\0\0\0\0".to_vec(), count.to_be_bytes().to_vec(), samples.collect()].concat()
        }
    }
}

/// A profile of version 2 for a display.
fn written(space: [u8; 4], connection: [u8; 4], tags: &[([u8; 4], Vec<u8>)]) -> Vec<u8> {
    let long = |value: usize| u32::try_from(value).unwrap().to_be_bytes();
    let (mut table, mut data) = (Vec::new(), Vec::new());
    let start = 132 + 12 * tags.len();
    for (name, body) in tags {
        table.extend([*name, long(start + data.len()), long(body.len())].concat());
        data.extend(body);
        data.resize(data.len().next_multiple_of(4), 0);
    }
    let mut profile = vec![0; 128];
    profile[..4].copy_from_slice(&long(start + data.len()));
    profile[8..12].copy_from_slice(&[2, 0x20, 0, 0]);
    profile[12..16].copy_from_slice(b"mntr");
    profile[16..20].copy_from_slice(&space);
    profile[20..24].copy_from_slice(&connection);
    profile[36..40].copy_from_slice(b"acsp");
    profile[68..80].copy_from_slice(&xyz(D50).map(fixed).concat());
    [profile, long(tags.len()).to_vec(), table, data].concat()
}
