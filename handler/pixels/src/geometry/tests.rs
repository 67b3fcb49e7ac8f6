use super::*;

fn rendition(width: u32, height: u32, fit: Fit, enlarge: bool) -> Rendition {
    Rendition {
        width: (width > 0).then_some(width),
        height: (height > 0).then_some(height),
        fit,
        enlarge,
        ..Rendition::default()
    }
}

fn check(source: (u32, u32), asked: (u32, u32), fit: Fit, enlarge: bool, output: (u32, u32), scaled: (u32, u32)) {
    let plan = Plan::new(Size { width: source.0, height: source.1 }, &rendition(asked.0, asked.1, fit, enlarge));
    let case = format!("{source:?} to {asked:?} {fit:?} enlarge {enlarge}");
    assert_eq!((plan.canvas.width, plan.canvas.height), output, "output of {case}");
    assert_eq!((plan.scaled.width, plan.scaled.height), scaled, "scaled part of {case}");
}

/// Worked out by hand from sharp's documentation of `resize` ("fit", "withoutEnlargement"). Zero is an absent side.
#[test]
fn sizes_follow_sharps_documentation() {
    use Fit::{Contain, Cover, Fill, Inside, Outside};
    type Row = ((u32, u32), (u32, u32), Fit, bool, (u32, u32), (u32, u32));
    let table: &[Row] = &[
        // source, asked, fit, enlarge, output, image within it
        ((6028, 3391), (200, 0), Cover, false, (200, 113), (200, 113)),
        ((6028, 3391), (200, 0), Contain, false, (200, 113), (200, 113)),
        ((6028, 3391), (200, 0), Inside, false, (200, 113), (200, 113)),
        ((6028, 3391), (200, 0), Outside, false, (200, 113), (200, 113)),
        ((6028, 3391), (200, 0), Fill, false, (200, 3391), (200, 3391)),
        ((6028, 3391), (0, 200), Fill, false, (6028, 200), (6028, 200)),
        ((6028, 3391), (0, 113), Cover, false, (201, 113), (201, 113)),
        ((4000, 3000), (320, 240), Cover, false, (320, 240), (320, 240)),
        ((4000, 3000), (320, 320), Cover, false, (320, 320), (320, 320)),
        ((4000, 3000), (320, 320), Contain, false, (320, 320), (320, 240)),
        ((4000, 3000), (320, 320), Fill, false, (320, 320), (320, 320)),
        ((4000, 3000), (320, 320), Inside, false, (320, 240), (320, 240)),
        ((4000, 3000), (320, 320), Outside, false, (427, 320), (427, 320)),
        ((3000, 4000), (320, 320), Inside, false, (240, 320), (240, 320)),
        ((3000, 4000), (320, 320), Outside, false, (320, 427), (320, 427)),
        // Odd sizes, and halves that round up.
        ((101, 67), (50, 0), Inside, false, (50, 33), (50, 33)),
        ((101, 67), (33, 33), Inside, false, (33, 22), (33, 22)),
        ((101, 67), (33, 33), Outside, false, (50, 33), (50, 33)),
        ((8, 5), (4, 0), Inside, false, (4, 3), (4, 3)),
        ((1000, 1), (10, 0), Inside, false, (10, 1), (10, 1)),
        ((1, 1000), (10, 10), Inside, false, (1, 10), (1, 10)),
        ((65_535, 1), (1, 1), Cover, false, (1, 1), (1, 1)),
        // Smaller than asked, not enlarged: the image keeps its own size.
        ((100, 50), (200, 0), Cover, false, (100, 50), (100, 50)),
        ((100, 50), (200, 200), Inside, false, (100, 50), (100, 50)),
        ((100, 50), (200, 200), Outside, false, (100, 50), (100, 50)),
        ((100, 50), (200, 200), Cover, false, (100, 50), (100, 50)),
        ((100, 50), (200, 40), Cover, false, (100, 40), (100, 40)),
        ((100, 50), (60, 200), Cover, false, (60, 50), (60, 50)),
        ((100, 50), (200, 20), Fill, false, (100, 20), (100, 20)),
        ((100, 50), (200, 200), Contain, false, (200, 200), (100, 50)),
        ((100, 50), (200, 20), Contain, false, (200, 20), (40, 20)),
        // The same, enlarged.
        ((100, 50), (200, 0), Cover, true, (200, 100), (200, 100)),
        ((100, 50), (200, 200), Inside, true, (200, 100), (200, 100)),
        ((100, 50), (200, 200), Outside, true, (400, 200), (400, 200)),
        ((100, 50), (200, 200), Cover, true, (200, 200), (200, 200)),
        ((100, 50), (200, 200), Contain, true, (200, 200), (200, 100)),
        ((100, 50), (200, 20), Fill, true, (200, 20), (200, 20)),
    ];
    for (source, asked, fit, enlarge, output, scaled) in table {
        check(*source, *asked, *fit, *enlarge, *output, *scaled);
    }
}

/// The contract of each fit, on a grid of odd sizes, stated without the code's own arithmetic.
#[test]
fn every_fit_keeps_its_promise_on_a_grid() {
    let sides = [1, 2, 3, 7, 16, 33, 101, 640, 999, 4001];
    for source in sides.iter().flat_map(|w| sides.iter().map(move |h| Size { width: *w, height: *h })) {
        for (width, height) in sides.iter().flat_map(|w| sides.iter().map(move |h| (*w, *h))) {
            let plan = |fit, enlarge| Plan::new(source, &rendition(width, height, fit, enlarge));
            for enlarge in [false, true] {
                let cover = plan(Fit::Cover, enlarge).canvas;
                assert!(cover.width <= width && cover.height <= height && cover.width > 0 && cover.height > 0);
                let contain = plan(Fit::Contain, enlarge);
                assert_eq!((contain.canvas.width, contain.canvas.height), (width, height));
                assert!(contain.left + contain.scaled.width <= width && contain.top + contain.scaled.height <= height);
                let inside = plan(Fit::Inside, enlarge).canvas;
                assert!(inside.width <= width && inside.height <= height && inside.width > 0 && inside.height > 0);
                if !enlarge {
                    assert!(inside.width <= source.width && inside.height <= source.height);
                }
            }
            let (cover, fill) = (plan(Fit::Cover, true).canvas, plan(Fit::Fill, true).canvas);
            assert_eq!((cover.width, cover.height, fill.width, fill.height), (width, height, width, height));
            let (inside, outside) = (plan(Fit::Inside, true).canvas, plan(Fit::Outside, true).canvas);
            assert!(inside.width == width || inside.height == height);
            assert!(outside.width >= width && outside.height >= height);
            assert!(outside.width == width || outside.height == height);
        }
    }
}

#[test]
fn a_crop_lies_within_the_source() {
    let mut random = fastrand::Rng::with_seed(7);
    for _ in 0..20_000 {
        let source = Size { width: random.u32(1..9_000), height: random.u32(1..9_000) };
        let mut asked = rendition(random.u32(1..3_000), random.u32(1..3_000), Fit::Cover, random.bool());
        asked.position = Position { x: random.f64(), y: random.f64(), focal: random.bool() };
        let Region { left, top, width, height } = Plan::new(source, &asked).source;
        let slack = 1e-6;
        assert!(left >= 0.0 && top >= 0.0 && width > 0.0 && height > 0.0, "{source:?} {asked:?}");
        assert!(left + width <= f64::from(source.width) + slack, "{source:?} {asked:?}");
        assert!(top + height <= f64::from(source.height) + slack, "{source:?} {asked:?}");
    }
}

#[test]
fn gravities_divide_what_hangs_over() {
    // 400x100 covers 100x100 with 300 pixels over; an odd rest goes to the left, as in sharp.
    for (x, left) in [(0.0, 0), (0.5, 150), (1.0, 300)] {
        assert_eq!(crop_offset(400, 100, x, false), left);
    }
    assert_eq!(crop_offset(103, 100, 0.5, false), 2);
    // `contain` places at the floor of the half.
    let mut asked = rendition(103, 10, Fit::Contain, false);
    let source = Size { width: 100, height: 10 };
    assert_eq!(Plan::new(source, &asked).left, 1);
    asked.position = Position { x: 1.0, y: 0.5, focal: false };
    assert_eq!(Plan::new(source, &asked).left, 3);
    asked.position = Position { x: 1.0, y: 0.5, focal: true };
    assert_eq!(Plan::new(source, &asked).left, 1, "a focal point does not move what is whole");
}

#[test]
fn a_focal_point_comes_to_the_middle_as_far_as_the_image_reaches() {
    for (x, left) in [(0.0, 0), (0.1, 0), (0.25, 50), (0.5, 150), (0.6, 190), (0.9, 300), (1.0, 300)] {
        assert_eq!(crop_offset(400, 100, x, true), left, "focal point {x}");
    }
}

#[test]
fn absurd_requests_stay_numbers() {
    let source = Size { width: 1, height: u32::MAX };
    let plan = Plan::new(source, &rendition(u32::MAX, 0, Fit::Cover, true));
    assert_eq!(plan.canvas, Size { width: u32::MAX, height: u32::MAX });
    let mut asked = rendition(10, 10, Fit::Cover, true);
    asked.position = Position { x: f64::NAN, y: -3.0, focal: true };
    assert_eq!(Plan::new(Size { width: 20, height: 10 }, &asked).canvas, Size { width: 10, height: 10 });
}

/// Half as many samples lie two by two on the pixels, and what is too much for the last lies beyond the upright image's end.
#[test]
fn halved_boxes_reach_beyond_the_end_of_the_upright_image() {
    let region = Region { left: 10.0, top: 20.0, width: 70.0, height: 40.0 };
    let scaled = |width, height| ScaledBox { region, scaled: Size { width, height }, exact: false };
    assert_eq!(scaled(14, 8).halved(Orientation::Rotate180).region, region);
    let halved = |orientation| scaled(7, 5).halved(orientation);
    assert_eq!(halved(Orientation::Upright).scaled, Size { width: 4, height: 3 });
    assert_eq!(halved(Orientation::Upright).region, Region { width: 80.0, height: 48.0, ..region });
    assert_eq!(halved(Orientation::FlipVertical).region, Region { left: 10.0, top: 12.0, width: 80.0, height: 48.0 });
    assert_eq!(halved(Orientation::Rotate180).region, Region { left: 0.0, top: 12.0, width: 80.0, height: 48.0 });
    assert_eq!(scaled(1, 1).halved(Orientation::Upright).region, region, "one sample for one pixel");
}
