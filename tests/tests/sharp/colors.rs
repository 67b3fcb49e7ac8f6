//! Colours: a file's numbers mean what its profile says they do.

use jpeg_encoder::SamplingFactor;
use serde_json::json;

use crate::corpus::{Corpus, Raw, jpeg};
use crate::quality::{Gamut, Picture};
use crate::{make_both, start_sharp};

/// Levels that a patch may be from sharp's.
const LEVELS: f32 = 3.0;
const PATCH: u32 = 48;

/// Skin, leaves, sky, grays, and colours at the edge of the gamut.
const PATCHES: [[u8; 3]; 12] = [
    [200, 150, 120],
    [70, 110, 50],
    [90, 140, 210],
    [128, 128, 128],
    [30, 30, 30],
    [245, 245, 245],
    [230, 40, 30],
    [40, 220, 60],
    [30, 50, 220],
    [240, 200, 20],
    [150, 60, 160],
    [0, 160, 170],
];

fn patches() -> Raw {
    Raw::by_place(4 * PATCH, 3 * PATCH, |x, y| PATCHES[(y / PATCH * 4 + x / PATCH) as usize])
}

/// Red, green and blue of each patch, in a picture at half the scale.
fn read(picture: &Picture) -> Vec<[f32; 3]> {
    let half = PATCH as usize / 2;
    let patch = |index: usize| {
        let (x, y) = (index % 4 * half + half / 2, index / 4 * half + half / 2);
        let [red, green, blue, _] = picture.pixels[y * picture.width + x];
        [red, green, blue]
    };
    (0..PATCHES.len()).map(patch).collect()
}

/// A profile of three primaries, adapted to D50, and one gamma in 256ths: ICC.1:2010 as short as it can be.
fn profile(primaries: [[f64; 3]; 3], gamma: u16) -> Vec<u8> {
    let fixed = |value: f64| {
        #[expect(clippy::cast_possible_truncation, reason = "the primaries are below two")]
        let value = (value * 65536.0).round() as i32;
        value.to_be_bytes()
    };
    let xyz = |values: [f64; 3]| [b"XYZ \0\0\0\0".to_vec(), values.map(fixed).concat()].concat();
    let curve = [b"curv\0\0\0\0\0\0\0\x01".as_slice(), &gamma.to_be_bytes(), &[0, 0]].concat();
    let mut description = b"desc\0\0\0\0\0\0\0\x05test\0".to_vec();
    description.resize(description.len() + 78 + 1, 0);
    let [red, green, blue] = primaries;
    let tags = [
        (b"desc", description),
        (b"cprt", b"text\0\0\0\0CC0\0".to_vec()),
        (b"wtpt", xyz([0.9642, 1.0, 0.8249])),
        (b"rXYZ", xyz(red)),
        (b"gXYZ", xyz(green)),
        (b"bXYZ", xyz(blue)),
        (b"rTRC", curve.clone()),
        (b"gTRC", curve.clone()),
        (b"bTRC", curve),
    ];
    let number = |length: usize| u32::try_from(length).unwrap().to_be_bytes();
    let mut table = number(tags.len()).to_vec();
    let mut data = Vec::new();
    let data_start = 128 + 4 + 12 * tags.len();
    for (name, mut tag) in tags {
        table.extend([name.as_slice(), &number(data_start + data.len()), &number(tag.len())].concat());
        tag.resize(tag.len().next_multiple_of(4), 0);
        data.extend(tag);
    }
    let mut header = number(data_start + data.len()).to_vec();
    header.extend(b"\0\0\0\0\x02\x10\0\0mntrRGB XYZ \x07\xea\0\x01\0\x01\0\0\0\0\0\0acsp");
    header.resize(68, 0);
    header.extend([0.9642, 1.0, 0.8249].map(fixed).concat());
    header.resize(128, 0);
    [header, table, data].concat()
}

fn check(name: &str, profile: Option<&[u8]>) {
    let Some(mut sharp) = start_sharp(name) else { return };
    let corpus = Corpus::new();
    let file = corpus.write("patches.jpg", &jpeg(&patches(), SamplingFactor::F_1_1, 1, profile));
    let [ours, theirs] = make_both(&mut sharp, &file, &json!({ "width": 2 * PATCH }));
    let moved = read(&theirs).iter().zip(PATCHES).any(|(found, patch)| (found[1] - f32::from(patch[1])).abs() > 5.0);
    assert_eq!(moved, profile.is_some(), "{name}: sharp converts what has a profile, and only that");
    for ((ours, theirs), patch) in read(&ours).into_iter().zip(read(&theirs)).zip(PATCHES) {
        let near = ours.iter().zip(theirs).all(|(ours, theirs)| (ours - theirs).abs() <= LEVELS);
        assert!(near, "{name}: the patch {patch:?} is {ours:.0?}, and {theirs:.0?} by sharp");
    }
}

#[test]
fn patches_without_a_profile_stay_what_they_are() {
    check("patches", None);
}

#[test]
fn patches_of_display_p3_end_where_sharp_ends_them() {
    let primaries = [[0.515_12, 0.241_2, -0.001_05], [0.291_98, 0.692_25, 0.041_89], [0.157_1, 0.066_57, 0.784_07]];
    check("patches of P3", Some(&profile(primaries, 563)));
}

#[test]
fn patches_of_adobe_rgb_end_where_sharp_ends_them() {
    let primaries = [[0.609_74, 0.311_11, 0.019_47], [0.205_28, 0.625_67, 0.060_87], [0.149_19, 0.063_22, 0.744_57]];
    check("patches of Adobe RGB", Some(&profile(primaries, 563)));
}

/// Sharp's own profile of P3, whose curve has a straight start, as phones have it; and what its numbers mean by the
/// standard's matrix.
#[test]
fn colours_come_back_from_display_p3() {
    let Some(mut sharp) = start_sharp("the way to P3 and back") else { return };
    let corpus = Corpus::new();
    for (name, asked) in [
        ("p3.jpg", json!({ "as": "jpeg", "quality": 100, "chromaSubsampling": "4:4:4", "profile": "p3" })),
        ("p3.png", json!({ "as": "png", "profile": "p3" })),
        ("p3.webp", json!({ "as": "webp", "lossless": true, "profile": "p3" })),
    ] {
        let file = corpus.by_sharp(&mut sharp, name, &patches(), &asked);
        let [ours, _] = make_both(&mut sharp, &file, &json!({ "width": 2 * PATCH }));
        let meant = Picture::decode(&std::fs::read(&file).unwrap(), Gamut::DisplayP3).lanczos(ours.width, ours.height);
        for ((found, meant), patch) in read(&ours).into_iter().zip(read(&meant)).zip(PATCHES) {
            let near = |to: [f32; 3]| found.iter().zip(to).all(|(found, level)| (found - level).abs() <= LEVELS);
            assert!(near(patch.map(f32::from)), "{name}: the patch {patch:?} came back as {found:.0?}");
            assert!(near(meant), "{name}: {found:.0?} was made of what means {meant:.0?}");
        }
    }
}
