//! Things near the lens: fruit on a table, a marble cut out of its background, the moon.

use crate::noise::{Rgb, add, cell, fractal, mix, scale, smooth, step, whole};

type Vector = [f64; 3];

fn dot(one: Vector, other: Vector) -> f64 {
    one[0] * other[0] + one[1] * other[1] + one[2] * other[2]
}

fn unit(vector: Vector) -> Vector {
    scale(vector, 1.0 / dot(vector, vector).sqrt())
}

fn minus(one: Vector, other: Vector) -> Vector {
    add(one, scale(other, -1.0))
}

struct Ball {
    center: Vector,
    radius: f64,
    color: Rgb,
    seed: u32,
}

const BALLS: [Ball; 5] = [
    Ball { center: [-0.95, 0.62, 0.15], radius: 0.62, color: [0.98, 0.50, 0.07], seed: 201 },
    Ball { center: [0.30, 0.58, 0.75], radius: 0.58, color: [0.96, 0.44, 0.05], seed: 211 },
    Ball { center: [1.20, 0.46, -0.25], radius: 0.46, color: [0.55, 0.72, 0.13], seed: 221 },
    Ball { center: [0.05, 0.40, -0.72], radius: 0.40, color: [0.95, 0.80, 0.16], seed: 231 },
    Ball { center: [-0.25, 0.50, 1.75], radius: 0.50, color: [0.74, 0.10, 0.09], seed: 241 },
];

const LAMP: Vector = [-3.2, 4.6, -2.4];

/// Where a ray first meets a ball.
fn hit(from: Vector, direction: Vector, skip: Option<usize>) -> Option<(usize, f64)> {
    let mut nearest: Option<(usize, f64)> = None;
    for (index, ball) in BALLS.iter().enumerate().filter(|(index, _)| Some(*index) != skip) {
        let to = minus(from, ball.center);
        let half = dot(to, direction);
        let inside = half * half - dot(to, to) + ball.radius * ball.radius;
        let at = -half - inside.max(0.0).sqrt();
        if inside > 0.0 && at > 1e-4 && nearest.is_none_or(|(_, best)| at < best) {
            nearest = Some((index, at));
        }
    }
    nearest
}

/// How much of the lamp, which has a size, is seen from a point.
fn lamp_seen(point: Vector, skip: Option<usize>, jitter: f64) -> f64 {
    let seen = (0..4_i64).filter(|corner| {
        let offset = |seed| (cell(*corner, whole(jitter * 4096.0), seed) - 0.5) * 1.5;
        let lamp = add(LAMP, [offset(1), offset(2), offset(3)]);
        hit(point, unit(minus(lamp, point)), skip).is_none()
    });
    f64::from(u8::try_from(seen.count()).unwrap_or(0)) / 4.0
}

/// Fruit on a wooden table, by tracing rays; `x` runs to 4/3.
pub(crate) fn fruit(x: f64, y: f64) -> Rgb {
    let eye = [0.0, 1.75, -4.3];
    let direction = unit([(x - 0.667) * 1.12, 0.24 - y * 1.12 + 0.05, 1.45]);
    let jitter = cell(whole(x * 40_000.0), whole(y * 40_000.0), 251);
    if let Some((index, at)) = hit(eye, direction, None) {
        return skin(&BALLS[index], index, add(eye, scale(direction, at)), direction, jitter);
    }
    if direction[1] < -0.02 {
        let at = -eye[1] / direction[1];
        let point = add(eye, scale(direction, at));
        if point[2] < 5.2 {
            return table(point, direction, jitter);
        }
    }
    // A window far out of focus.
    let wall = mix([0.30, 0.27, 0.25], [0.17, 0.17, 0.19], step(0.0, 0.45, y));
    let pane = |cx: f64, cy: f64| step(0.22, 0.06, (x - cx).abs()) * step(0.24, 0.05, (y - cy).abs());
    let light = pane(0.22, 0.02) + 0.55 * pane(0.62, 0.0);
    add(wall, scale([0.80, 0.78, 0.66], light * (0.55 + 0.3 * smooth(x * 5.0, y * 5.0, 253))))
}

fn skin(ball: &Ball, index: usize, point: Vector, direction: Vector, jitter: f64) -> Rgb {
    let smooth_normal = scale(minus(point, ball.center), 1.0 / ball.radius);
    let [nx, ny, nz] = smooth_normal;
    let pore = |offset: f64| fractal(nx * 24.0 + offset, ny * 24.0 + nz * 19.0, 2, ball.seed) - 0.5;
    let normal = unit(add(smooth_normal, scale([pore(0.0), pore(7.3), pore(13.1)], 0.16)));
    let to_lamp = unit(minus(LAMP, point));
    let lit = dot(normal, to_lamp).max(0.0) * lamp_seen(point, Some(index), jitter);
    let mirror = minus(direction, scale(normal, 2.0 * dot(direction, normal)));
    let gloss = dot(mirror, to_lamp).max(0.0).powi(28) * lit.min(1.0);
    let tint = 0.84 + 0.30 * fractal(nx * 3.0, ny * 3.0 + nz, 4, ball.seed + 3);
    let bounced = scale([0.30, 0.17, 0.09], 0.5 * (0.5 - 0.5 * ny));
    let base = scale(ball.color, tint);
    let shaded = [0, 1, 2].map(|channel| base[channel] * (0.13 + 0.92 * lit + bounced[channel]));
    let contact = 0.45 + 0.55 * step(0.0, 0.35, point[1]);
    add(scale(shaded, contact), scale([1.0, 0.97, 0.90], 0.42 * gloss))
}

fn table(point: Vector, direction: Vector, jitter: f64) -> Rgb {
    let [x, _, z] = point;
    let board = whole(x * 0.9 + 40.3);
    let tone = 0.82 + 0.28 * cell(board, 0, 261);
    let warp = fractal(x * 2.5, z * 0.5, 4, 263) * 5.0 + 7.0 * cell(board, 1, 265);
    let ring = ((x * 9.0 + warp * 2.6).sin() * 0.5 + 0.5) * 0.22 + 0.14 * fractal(x * 70.0, z * 4.0, 3, 267);
    let gap = step(0.015, 0.04, (x * 0.9 + 40.3).fract());
    let wood = scale(mix([0.56, 0.35, 0.19], [0.32, 0.17, 0.08], ring * 2.2), tone * (0.35 + 0.65 * gap));
    let mut near = 1.0_f64;
    for ball in &BALLS {
        let away = (x - ball.center[0]).hypot(z - ball.center[2]) / ball.radius;
        near = near.min(0.30 + 0.70 * step(0.1, 1.5, away));
    }
    let to_lamp = unit(minus(LAMP, point));
    let lit = to_lamp[1].max(0.0) * lamp_seen(point, None, jitter);
    let mut color = scale(wood, near * 0.26 + 0.98 * lit);
    let up = [direction[0], -direction[1], direction[2]];
    if let Some((index, at)) = hit(point, up, None) {
        let seen = skin(&BALLS[index], index, add(point, scale(up, at)), up, jitter);
        color = mix(color, seen, 0.14 * (-at * 0.8).exp());
    }
    mix(color, [0.20, 0.18, 0.17], step(1.5, 5.4, z) * 0.75)
}

/// A glass marble with its shadow: colour, and alpha as the fourth value. The picture is a square.
pub(crate) fn marble(x: f64, y: f64) -> [f64; 4] {
    let (across, down) = ((x - 0.5) / 0.36, (y - 0.45) / 0.36);
    let away = across.hypot(down);
    let shadow = (((x - 0.56) / 0.34).powi(2) + ((y - 0.845) / 0.075).powi(2)).sqrt();
    let shadow_alpha = 0.55 * step(1.15, 0.25, shadow);
    if away >= 1.0 {
        return [0.03, 0.04, 0.08, shadow_alpha];
    }
    let depth = (1.0 - away * away).sqrt();
    let bend = 0.55 + 0.45 * depth;
    let (u, v) = (across / bend, down / bend);
    let twist = u * 1.6 + 1.3 * (v * 2.4 + 0.8 * fractal(u * 1.2 + 5.0, v * 1.2, 4, 271)).sin();
    let ribbon = (-(twist * 2.1).powi(2)).exp();
    let other = (-((twist - 0.95) * 3.0).powi(2)).exp();
    let glass = mix([0.72, 0.90, 0.93], [0.08, 0.34, 0.42], away.powi(3));
    let mut color = mix(glass, [0.93, 0.27, 0.12], ribbon * 0.9);
    color = mix(color, [0.99, 0.80, 0.18], other * 0.85);
    color = scale(
        color,
        0.62 + 0.46 * (0.5 - 0.35 * across - 0.55 * down) * depth + 0.16 * fractal(u * 6.0, v * 6.0, 3, 273),
    );
    let caustic = (-(((across - 0.30) / 0.42).powi(2) + ((down - 0.58) / 0.22).powi(2))).exp();
    color = add(color, scale([0.75, 0.80, 0.72], 0.45 * caustic));
    let glint = step(0.20, 0.10, ((across + 0.38) / 1.25).hypot((down + 0.48) * 1.05));
    color = mix(color, [1.0; 3], glint * 0.95);
    // The rim is only partly covered, and clear glass lets the background through.
    let [red, green, blue] = color;
    let clear = (1.0 - ribbon.max(other)) * 0.28 * depth;
    [red, green, blue, step(1.0, 0.985, away) * (1.0 - clear)]
}

/// The moon, three quarters full. The picture is a square.
pub(crate) fn moon(x: f64, y: f64) -> Rgb {
    let (across, down) = ((x - 0.5) / 0.42, (y - 0.5) / 0.42);
    let flat = across * across + down * down;
    if flat >= 1.0 {
        let star = cell(whole(x * 120.0), whole(y * 120.0), 281);
        return scale([1.0, 1.0, 1.0], if star > 0.994 { 0.6 } else { 0.015 });
    }
    let depth = (1.0 - flat).sqrt();
    let (u, v) = (across / (0.6 + 0.4 * depth), down / (0.6 + 0.4 * depth));
    let mut height = 0.35 * fractal(u * 5.0, v * 5.0, 5, 283);
    for size in [3.0, 6.0, 11.0] {
        height += craters(u * size, v * size, whole(size)) / size;
    }
    let seas = step(0.48, 0.62, fractal(u * 1.9 + 2.0, v * 1.9, 4, 287));
    let lit = (0.75 * depth - 0.80 * across - 0.25 * down).max(0.0).powf(0.8);
    scale(mix([0.88, 0.87, 0.84], [0.47, 0.47, 0.49], seas), lit * (0.72 + 0.9 * (height - 0.15)))
}

/// Bowls with bright rims, one at most in each cell.
fn craters(x: f64, y: f64, seed: i64) -> f64 {
    let (column, row) = (whole(x), whole(y));
    let seed = 290 + u32::try_from(seed).unwrap_or(0);
    let place = |side: f64, salt| side - side.floor() - 0.35 - 0.3 * cell(column, row, seed + salt);
    let away = place(x, 1).hypot(place(y, 2)) / (0.10 + 0.22 * cell(column, row, seed + 3));
    if cell(column, row, seed + 4) < 0.35 || away > 1.4 {
        return 0.0;
    }
    step(0.75, 1.0, away) * step(1.4, 1.0, away) * 0.9 - step(0.95, 0.6, away) * 0.6
}
