//! What libjpeg reads although the standard does not say so.

use super::*;

/// The file without the segments of a marker.
fn without(bytes: &[u8], unwanted: u8) -> Vec<u8> {
    let (mut file, mut at) = (bytes[..2].to_vec(), 2);
    while bytes[at + 1] != 0xda {
        let end = at + 2 + usize::from(u16::from_be_bytes([bytes[at + 2], bytes[at + 3]]));
        if bytes[at + 1] != unwanted {
            file.extend(&bytes[at..end]);
        }
        at = end;
    }
    [&file, &bytes[at..]].concat()
}

/// Frames of motion JPEG have no Huffman tables, and mean those of the standard's annex.
#[test]
fn tables_that_no_file_has_are_the_standard_ones() {
    use jpeg_encoder::SamplingFactor::{F_1_1, F_2_2};
    for sampling in [F_1_1, F_2_2] {
        let bytes = encoded(4, (93, 71), sampling, |_| {});
        let bare = without(&bytes, 0xc4);
        assert!(bare.len() < bytes.len() - 400);
        for scale in Scale::ALL {
            assert!(decoded(&bare, scale) == decoded(&bytes, scale), "{sampling:?} {scale:?}");
        }
    }
    let progressive = encoded(4, (93, 71), F_1_1, |encoder| encoder.set_progressive(true));
    let text = decoded(&without(&progressive, 0xc4), Scale::Full).unwrap_err().to_string();
    assert_eq!(text, "JPEG is corrupt: a Huffman table is missing");
}

#[test]
fn components_of_one_name_come_in_their_order() {
    let bytes = encoded(5, (40, 30), jpeg_encoder::SamplingFactor::F_2_2, |_| {});
    let mut same = bytes.clone();
    let frame = same.windows(2).position(|pair| pair == [0xff, 0xc0]).unwrap();
    let scan = same.windows(2).position(|pair| pair == [0xff, 0xda]).unwrap();
    for component in 0..3 {
        same[frame + 10 + component * 3] = 1;
        same[scan + 5 + component * 2] = 1;
    }
    assert!(decoded(&same, Scale::Full).unwrap() == decoded(&bytes, Scale::Full).unwrap());
    // Two names are not enough to know which is which.
    same[scan + 9] = 7;
    let text = Decoder::new(&same, &Limits::default()).unwrap_err().to_string();
    assert_eq!(text, "JPEG is corrupt: a scan names an unknown component");
}

#[test]
fn notes_that_are_shorter_than_their_length_are_passed_over() {
    let bytes = encoded(6, (40, 30), jpeg_encoder::SamplingFactor::F_2_2, |_| {});
    for (marker, length, is_read) in
        [(0xfe, 0, true), (0xfe, 1, true), (0xe0, 0, true), (0xe1, 1, true), (0xef, 0, true), (0xdb, 1, false)]
    {
        let noted = [&bytes[..2], &[0xff, marker, 0, length], &bytes[2..]].concat();
        let case = format!("{marker:x} of {length}");
        assert_eq!(crate::probe(&noted, &Limits::default()).is_ok(), is_read, "{case}");
        if is_read {
            assert!(decoded(&noted, Scale::Full).unwrap() == decoded(&bytes, Scale::Full).unwrap(), "{case}");
        } else {
            let text = Decoder::new(&noted, &Limits::default()).unwrap_err().to_string();
            assert_eq!(text, "JPEG is corrupt: a segment is shorter than its length", "{case}");
        }
    }
}
