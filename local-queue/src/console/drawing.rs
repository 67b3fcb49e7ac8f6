//! Where the parts of a stack stand in a drawing, and the ways of the arrows between them.
//!
//! Columns are in the order in which messages pass. A part stands in the row of what it is connected with, if that is free,
//! so that a queue, its function and its dead-letter queue are side by side. The same stack is drawn the same way each time.

use super::stack::{Flow, Kind, Part, Stack};

/// More parts than these are not drawn.
pub(super) const PARTS_MAX: usize = 30;
/// Characters of a name that are drawn.
const NAME_CHARS: usize = 19;
const BOX_WIDTH: i32 = 150;
const BOX_HEIGHT: i32 = 46;
const GAP: i32 = 90;
const ROW: i32 = 84;
const MARGIN: i32 = 8;

/// A drawing of a stack.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Drawing {
    pub(super) width: i32,
    pub(super) height: i32,
    pub(super) boxes: Vec<Placed>,
    pub(super) arrows: Vec<Arrow>,
    /// What is drawn, in short.
    pub(super) summary: String,
    /// What is drawn, arrow by arrow.
    pub(super) sentences: Vec<Sentence>,
}

/// A part in its place.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Placed {
    pub(super) x: i32,
    pub(super) y: i32,
    pub(super) width: i32,
    pub(super) height: i32,
    pub(super) name: String,
    /// The name is drawn cut off.
    pub(super) title: String,
    pub(super) holds: String,
    pub(super) class: &'static str,
    pub(super) is_stuck: bool,
}

/// What passes between two parts, on its way.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Arrow {
    pub(super) path: String,
    /// Where its count stands.
    pub(super) x: i32,
    pub(super) y: i32,
    pub(super) count: u64,
    pub(super) title: String,
    pub(super) class: &'static str,
}

/// `FROM sends to TO: 3 requests`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Sentence {
    pub(super) from: Part,
    pub(super) verb: &'static str,
    pub(super) to: Part,
    pub(super) words: String,
}

/// The column of a part if all columns have some.
const fn column(kind: Kind) -> usize {
    match kind {
        Kind::Api | Kind::Bucket => 0,
        Kind::Queue => 1,
        Kind::Function => 2,
        Kind::DeadLetterQueue => 3,
    }
}

impl Drawing {
    /// None of a stack in which nothing passes from one part to another.
    pub(super) fn of(stack: &Stack) -> Option<Self> {
        if stack.flows.is_empty() {
            return None;
        }
        let columns = columns(stack);
        let rows = rows(stack);
        let places = columns.iter().zip(&rows).map(|(column, row)| {
            let (column, row) = (i32::try_from(*column).unwrap_or(0), i32::try_from(*row).unwrap_or(0));
            (MARGIN + column * (BOX_WIDTH + GAP), MARGIN + row * ROW)
        });
        let places = places.collect::<Vec<_>>();
        let boxes = stack.parts.iter().zip(&places).map(|(part, (x, y))| placed(part, *x, *y)).collect();
        let arrows = stack.flows.iter().map(|flow| arrow(stack, flow, &columns, &places));
        let sentences = stack.flows.iter().map(|flow| Sentence {
            from: stack.parts[flow.from].clone(),
            verb: flow.verb,
            to: stack.parts[flow.to].clone(),
            words: flow.words.clone(),
        });
        let right = places.iter().map(|(x, _)| *x).max().unwrap_or(0);
        let bottom = places.iter().map(|(_, y)| *y).max().unwrap_or(0);
        Some(Self {
            // Arrows may go around the last column, and below the last row.
            width: right + BOX_WIDTH + MARGIN + 20,
            height: bottom + ROW,
            boxes,
            arrows: arrows.collect(),
            summary: summary(stack),
            sentences: sentences.collect(),
        })
    }
}

/// The columns of the parts, those left out that have none.
fn columns(stack: &Stack) -> Vec<usize> {
    let all = stack.parts.iter().map(|part| column(part.kind)).collect::<Vec<_>>();
    let used = (0..4).filter(|column| all.contains(column)).collect::<Vec<_>>();
    all.iter().map(|column| used.iter().position(|used| used == column).unwrap_or(0)).collect()
}

/// The row of each part: queues one below the other, then what is connected with them beside them.
fn rows(stack: &Stack) -> Vec<usize> {
    let mut rows = vec![None; stack.parts.len()];
    for current in [1, 2, 3, 0] {
        let members = (0..rows.len()).filter(|index| column(stack.parts[*index].kind) == current);
        let mut wanted = members.map(|index| (wish(stack, &rows, index), index)).collect::<Vec<_>>();
        wanted.sort_unstable();
        let mut free = 0;
        for (wish, index) in wanted {
            let row = if wish == usize::MAX { free } else { (wish / 2).max(free) };
            rows[index] = Some(row);
            free = row + 1;
        }
    }
    rows.into_iter().map(|row| row.unwrap_or(0)).collect()
}

/// Twice the row where a part would stand in the middle of what it is connected with; the last of all if that has no row.
fn wish(stack: &Stack, rows: &[Option<usize>], part: usize) -> usize {
    let others = stack.flows.iter().filter_map(|flow| match (flow.from == part, flow.to == part) {
        (true, false) => rows[flow.to],
        (false, true) => rows[flow.from],
        _ => None,
    });
    let others = others.collect::<Vec<_>>();
    if others.is_empty() { usize::MAX } else { others.iter().sum::<usize>() * 2 / others.len() }
}

fn placed(part: &Part, x: i32, y: i32) -> Placed {
    let is_long = part.name.chars().count() > NAME_CHARS;
    let cut = || part.name.chars().take(NAME_CHARS - 3).chain("...".chars()).collect();
    Placed {
        x,
        y,
        width: BOX_WIDTH,
        height: BOX_HEIGHT,
        name: if is_long { cut() } else { part.name.clone() },
        title: format!("{} {}", part.kind.name(), part.name),
        holds: if part.holds.is_empty() { part.kind.name().to_owned() } else { part.holds.clone() },
        class: part.kind.class(),
        is_stuck: part.is_stuck,
    }
}

fn arrow(stack: &Stack, flow: &Flow, columns: &[usize], places: &[(i32, i32)]) -> Arrow {
    let (from, to) = (&stack.parts[flow.from], &stack.parts[flow.to]);
    let ((x, y), (to_x, to_y)) = (places[flow.from], places[flow.to]);
    let (middle, to_middle) = (y + BOX_HEIGHT / 2, to_y + BOX_HEIGHT / 2);
    let right = x + BOX_WIDTH;
    let (path, label_x, label_y) = if columns[flow.to] == columns[flow.from] + 1 {
        let (bend, end) = (GAP / 2, to_x - 2);
        let path = format!("M{right} {middle}C{} {middle} {} {to_middle} {end} {to_middle}", right + bend, end - bend);
        (path, i32::midpoint(right, to_x), i32::midpoint(middle, to_middle) - 5)
    } else if columns[flow.to] == columns[flow.from] {
        // Around the right side.
        let out = right + 16;
        (format!("M{right} {middle}H{out}V{}H{}", to_middle + 8, right + 2), out + 4, i32::midpoint(middle, to_middle))
    } else {
        // Below the row, so that no box is crossed, and up or down between two columns. Each column has its own height.
        let shift = i32::try_from(columns[flow.from]).unwrap_or(0) * 7;
        let (start, lane) = (right - 24 - shift, y + BOX_HEIGHT + 12 + shift);
        let (gutter, end) =
            if to_x > x { (to_x - 18, to_x - 2) } else { (to_x + BOX_WIDTH + 18, to_x + BOX_WIDTH + 2) };
        let foot = y + BOX_HEIGHT;
        (format!("M{start} {foot}V{lane}H{gutter}V{}H{end}", to_middle + 8), right + GAP / 2, lane - 4)
    };
    Arrow {
        path,
        x: label_x,
        y: label_y,
        count: flow.count,
        title: format!("{} {} {}: {}", from.name, flow.verb, to.name, flow.words),
        class: if to.kind == Kind::DeadLetterQueue && flow.count > 0 { "stuck" } else { "" },
    }
}

fn summary(stack: &Stack) -> String {
    let kinds = [Kind::Api, Kind::Bucket, Kind::Queue, Kind::Function, Kind::DeadLetterQueue];
    let counts = kinds.map(|kind| (kind, stack.parts.iter().filter(|part| part.kind == kind).count()));
    let named = counts.iter().filter(|(_, count)| *count > 0).map(|(kind, count)| {
        let many = match kind {
            Kind::Api => "APIs",
            Kind::Bucket => "buckets",
            Kind::Queue => "queues",
            Kind::Function => "functions",
            Kind::DeadLetterQueue => "dead-letter queues",
        };
        let one = if *kind == Kind::DeadLetterQueue { "dead-letter queue" } else { kind.name() };
        format!("{count} {}", if *count == 1 { one } else { many })
    });
    format!("{}, and {} arrows between them", named.collect::<Vec<_>>().join(", "), stack.flows.len())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn part(kind: Kind, name: &str) -> Part {
        Part { kind, name: name.to_owned(), holds: "1 ready".to_owned(), href: None, is_stuck: false }
    }

    fn flow(from: usize, to: usize) -> Flow {
        Flow { from, to, count: 7, verb: "sends to", words: "7 messages".to_owned() }
    }

    /// So many pipelines of a bucket, a queue, a function and a dead-letter queue.
    fn pipelines(count: usize) -> Stack {
        let kinds = [Kind::Bucket, Kind::Queue, Kind::Function, Kind::DeadLetterQueue];
        let parts = kinds.iter().flat_map(|kind| (0..count).map(move |number| part(*kind, &format!("{number:02}"))));
        let flows = (0..count).flat_map(|number| {
            let at = |column: usize| column * count + number;
            [flow(at(0), at(1)), flow(at(1), at(2)), flow(at(1), at(3))]
        });
        Stack { flows: flows.collect(), parts: parts.collect() }
    }

    #[test]
    fn a_pipeline_stands_side_by_side() {
        let drawing = Drawing::of(&pipelines(7)).unwrap();
        for number in 0..7 {
            let row = [0, 1, 2, 3].map(|column| &drawing.boxes[column * 7 + number]);
            assert!(row.iter().all(|placed| placed.y == row[0].y), "{row:?}");
            assert!(row.windows(2).all(|pair| pair[0].x < pair[1].x), "{row:?}");
        }
        assert_eq!(
            drawing.summary,
            "7 buckets, 7 queues, 7 functions, 7 dead-letter queues, and 21 arrows between them"
        );
        assert_eq!(drawing, Drawing::of(&pipelines(7)).unwrap(), "it is the same each time");
    }

    #[test]
    fn no_two_parts_stand_in_one_place_and_everything_is_within_the_drawing() {
        let mut random = crate::engine::IdSource::seeded(1);
        let mut below = |bound: usize| usize::try_from(random.next_u64() % bound as u64).unwrap();
        for count in 2..=PARTS_MAX {
            let kinds = [Kind::Api, Kind::Bucket, Kind::Queue, Kind::Function, Kind::DeadLetterQueue];
            let parts = (0..count).map(|number| part(kinds[below(5)], &format!("a part with a long name {number}")));
            let parts = parts.collect::<Vec<_>>();
            let flows = (0..count * 2).map(|_| flow(below(count), below(count))).collect();
            let drawing = Drawing::of(&Stack { parts, flows }).unwrap();
            for (index, one) in drawing.boxes.iter().enumerate() {
                assert!(one.x >= 0 && one.x + BOX_WIDTH <= drawing.width && one.y + BOX_HEIGHT <= drawing.height);
                assert_eq!(one.name.chars().count(), NAME_CHARS);
                let others = &drawing.boxes[index + 1..];
                assert!(others.iter().all(|other| (one.x, one.y) != (other.x, other.y)), "{one:?}");
            }
            for arrow in &drawing.arrows {
                let numbers = arrow.path.split(|it: char| !it.is_ascii_digit()).filter_map(|it| it.parse::<i32>().ok());
                assert!(numbers.max() <= Some(drawing.width.max(drawing.height)), "{arrow:?}");
                assert!(!arrow.path.contains('-') && arrow.x > 0 && arrow.y > 0, "{arrow:?}");
            }
        }
    }

    #[test]
    fn columns_that_nothing_is_in_are_left_out() {
        let parts = vec![part(Kind::Queue, "jobs"), part(Kind::DeadLetterQueue, "jobs-dead")];
        let drawing = Drawing::of(&Stack { parts: parts.clone(), flows: vec![flow(0, 1)] }).unwrap();
        assert_eq!(drawing.boxes[1].x - drawing.boxes[0].x, BOX_WIDTH + GAP);
        assert_eq!(drawing.arrows[0].class, "stuck");
        assert_eq!(Drawing::of(&Stack { parts, flows: Vec::new() }), None);
    }
}
