//! A few small files, and what libjpeg makes of them.

use super::*;

/// Name, file, and the hashes (FNV-1a) of its pixels at all scales, as `djpeg -scale` of libjpeg-turbo 2.1.5 makes them.
#[rustfmt::skip]
pub(super) const FILES: &[(&str, &[u8], [u64; 4])] = &[
    ("gray", include_bytes!("../corpus/gray.jpg"), [0x9cdb_45b1_5b4a_4f0b, 0x4187_cedd_f8bc_6975, 0x22f7_6943_8d51_b55e, 0xa8ed_8fc4_4f40_c7bd]),
    ("rgb", include_bytes!("../corpus/rgb.jpg"), [0xf57a_7318_62d2_d7a7, 0xf1ce_52dd_5bf0_839e, 0x5d60_6c62_bba0_85eb, 0x6a20_7909_e786_cb51]),
    ("444", include_bytes!("../corpus/444.jpg"), [0x9650_5e51_8f54_0a6f, 0x38cd_7029_24be_546a, 0xb8e8_c736_eed9_29d7, 0x7629_8913_d7dc_4b03]),
    ("422", include_bytes!("../corpus/422.jpg"), [0xaec8_fa2f_3f69_c880, 0x264a_dc15_4956_ffc6, 0x22db_e281_7e2f_e80b, 0xe370_c133_6970_a39a]),
    ("420-restarts", include_bytes!("../corpus/420-restarts.jpg"), [0x60ff_0417_7f11_066c, 0x4725_5a48_f5a2_d49c, 0x73f1_c8f8_0641_4617, 0x11bf_ab50_5857_9f9e]),
    ("440", include_bytes!("../corpus/440.jpg"), [0xad80_e467_4464_5599, 0x4cbd_1a4a_320d_5b2f, 0xbfbb_d171_fe30_0fa8, 0xcf69_bb75_27d3_4070]),
    ("411", include_bytes!("../corpus/411.jpg"), [0x8ef4_1622_15ce_12bf, 0xb86f_e5f3_e3f1_5ec2, 0x6586_71d5_91e9_e13c, 0x9bc1_3f65_7847_a867]),
    ("odd-sampling", include_bytes!("../corpus/odd-sampling.jpg"), [0xc9df_74cb_9c7a_77b2, 0xab04_6baf_7e3a_e0a7, 0xf1b3_7a2d_ae5a_b975, 0x290c_cb17_bb80_ae52]),
    ("separate-scans", include_bytes!("../corpus/separate-scans.jpg"), [0xb55d_427a_0403_a940, 0x2981_acd4_4fb2_8e1f, 0x4724_441e_424e_237f, 0x5a89_dce7_3adb_d345]),
    ("progressive-420", include_bytes!("../corpus/progressive-420.jpg"), [0x22f4_7051_6420_4c40, 0x12b7_9539_88f2_5210, 0x9ee0_59e8_eaf3_932a, 0xf1c2_bcc4_b91d_7131]),
    ("progressive-444", include_bytes!("../corpus/progressive-444.jpg"), [0xac65_9dda_a571_0f5c, 0x5f55_0462_1883_ae65, 0x3604_80f6_0015_2c18, 0x5f50_78b4_2450_5ab2]),
    ("one-pixel", include_bytes!("../corpus/one-pixel.jpg"), [0x95b0_6019_f869_4af0, 0x95b0_6019_f869_4af0, 0x95b0_6019_f869_4af0, 0x95b0_6019_f869_4af0]),
];

fn hash(bytes: &[u8]) -> u64 {
    bytes.iter().fold(0xcbf2_9ce4_8422_2325, |hash, byte| (hash ^ u64::from(*byte)).wrapping_mul(0x0100_0000_01b3))
}

#[test]
fn the_pixels_are_those_that_libjpeg_made() {
    for (name, bytes, hashes) in FILES {
        for (scale, expected) in Scale::ALL.into_iter().zip(hashes) {
            let found = decoded(bytes, scale).unwrap();
            assert_eq!(found.size, scale.apply(open(bytes).size()), "{name}, {scale:?}");
            assert_eq!(hash(&found.data), *expected, "{name}, {scale:?}");
        }
    }
}

/// Its transform rounds otherwise, and its upsampling differs at edges. It gets baseline coding in several scans wrong.
#[test]
fn the_pixels_are_near_those_of_another_decoder() {
    for (name, bytes, _) in FILES.iter().filter(|(name, ..)| *name != "separate-scans") {
        let decoder = image::codecs::jpeg::JpegDecoder::new(std::io::Cursor::new(bytes)).unwrap();
        let mut expected = vec![0; usize::try_from(image::ImageDecoder::total_bytes(&decoder)).unwrap()];
        image::ImageDecoder::read_image(decoder, &mut expected).unwrap();
        let found = decoded(bytes, Scale::Full).unwrap().data;
        assert_eq!(found.len(), expected.len(), "{name}");
        let sum: u64 = found.iter().zip(&expected).map(|(one, other)| u64::from(one.abs_diff(*other))).sum();
        assert!(sum <= 3 * found.len() as u64, "{name}: {sum} of {}", found.len());
    }
}
