//! The order of things: segment after segment, scan after scan, strip after strip.

use std::ops::Range;

use super::arena::{Arena, sized};
use super::bits::{Bits, Chunk, new_chunk};
use super::decoder::Decoder;
use super::defect::Defect;
use super::headers::{COMPONENTS_MAX, Coding, HuffmanSpec, Scan, ScanComponent, Tables};
use super::huffman::{Decoding, Pairs, Skipping};
use super::layout::{BAND_ROWS, Layout};
use super::planes::{ComponentPlane, WholePlanes};
use super::progressive::{Coefficients, Known, Planned, Running, fit_side_by_side};
use super::scale::Scale;
use super::segments::{Segment, Segments, marker};
use super::sequential::{Part, Restarts, Sequential, Target, Waiting};
use super::strips::{self, Strips, mcu_column_range, mcu_row_range};
use super::transform::Block;
use crate::area::Window;
use crate::error::PixelError;
use crate::limits::Truncated;

/// What becomes of the samples.
pub(super) enum Output<'o, 'm> {
    /// Rows of pixels, one after the other into a buffer, of which so many bytes are filled.
    Buffer(Strips<'m>, &'o mut [u8], usize),
    /// Rows of pixels, to whoever takes them, by way of scratch memory.
    Bands(Strips<'m>, &'m mut Vec<u8>, &'o mut dyn FnMut(u32, &[u8])),
    /// Planes as they are.
    Planes(&'o mut WholePlanes<'m>),
}

impl Output<'_, '_> {
    /// Where the next row of MCUs goes.
    fn next_targets(&mut self, components: &[usize]) -> [Target<'_>; COMPONENTS_MAX] {
        match self {
            Self::Buffer(strips, ..) | Self::Bands(strips, ..) => strips.targets(components, 0, false),
            Self::Planes(planes) => planes.next_targets(components),
        }
    }

    /// Where a row of MCUs goes, or of blocks for a component that is `alone`, counted from the image's first. For the
    /// files whose strip is the whole image.
    fn targets(&mut self, components: &[usize], row: usize, alone: bool) -> [Target<'_>; COMPONENTS_MAX] {
        match self {
            Self::Buffer(strips, ..) | Self::Bands(strips, ..) => strips.targets(components, row, alone),
            Self::Planes(planes) => planes.targets(components, row, alone),
        }
    }

    /// Makes the next row of MCUs gray. Whole planes were so from the start.
    fn clear(&mut self) {
        match self {
            Self::Buffer(strips, ..) | Self::Bands(strips, ..) => strips.clear(),
            Self::Planes(_) => {}
        }
    }

    /// Makes the next row of MCUs of its coefficients.
    fn transform(&mut self, coefficients: &Coefficients<'_>, steps: &[Block; COMPONENTS_MAX]) {
        match self {
            Self::Buffer(strips, ..) | Self::Bands(strips, ..) => strips.transform(coefficients, steps),
            Self::Planes(planes) => planes.transform(coefficients, steps),
        }
    }

    /// Sends what is ready on its way, and turns to the next row of MCUs.
    fn emit(&mut self) -> Result<(), PixelError> {
        match self {
            Self::Buffer(strips, pixels, filled) => {
                let rows = strips.ready();
                let end = *filled + rows.len() * strips.row_bytes();
                strips.make(rows, &mut pixels[*filled..end]);
                strips.advance();
                *filled = end;
            }
            Self::Bands(strips, band, take) => {
                let ready = strips.ready();
                for start in ready.clone().step_by(BAND_ROWS) {
                    let rows = start..ready.end.min(start + BAND_ROWS);
                    let first = u32::try_from(start - strips.first_row()).unwrap_or(u32::MAX);
                    sized(band, rows.len() * strips.row_bytes(), 0)?;
                    strips.make(rows, band);
                    take(first, band);
                }
                strips.advance();
            }
            Self::Planes(planes) => planes.advance(),
        }
        Ok(())
    }

    /// Turns back to the first row of MCUs. What was made of them is made again.
    fn restart(&mut self) {
        match self {
            Self::Buffer(strips, _, filled) => {
                strips.restart();
                *filled = 0;
            }
            Self::Bands(strips, ..) => strips.restart(),
            Self::Planes(planes) => planes.restart(),
        }
    }
}

impl Decoder<'_> {
    /// Decodes the pixels of a window into a buffer.
    pub(super) fn decode_buffer(
        &self,
        scale: Scale,
        window: &Window,
        arena: &mut Arena,
        buffer: &mut [u8],
    ) -> Result<(), PixelError> {
        let (layout, window) = self.layout(scale, window)?;
        let parts = arena.parts();
        let strips = self.strips(&layout, &window, parts.rows)?;
        let wanted = Wanted { columns: mcu_column_range(&layout, &window), rows: mcu_row_range(&layout, &window) };
        self.run(&layout, wanted, Output::Buffer(strips, buffer, 0), parts.chunk, parts.coefficients)
    }

    /// Decodes the pixels of a window a few rows at a time.
    pub(super) fn decode_to(
        &self,
        scale: Scale,
        window: &Window,
        arena: &mut Arena,
        take: &mut dyn FnMut(u32, &[u8]),
    ) -> Result<(), PixelError> {
        let (layout, window) = self.layout(scale, window)?;
        let parts = arena.parts();
        let strips = self.strips(&layout, &window, parts.rows)?;
        let wanted = Wanted { columns: mcu_column_range(&layout, &window), rows: mcu_row_range(&layout, &window) };
        self.run(&layout, wanted, Output::Bands(strips, parts.band, take), parts.chunk, parts.coefficients)
    }

    /// Decodes the planes of a window of the image as stored.
    pub(super) fn decode_whole_planes(
        &self,
        scales: [Scale; 3],
        window: &Window,
        arena: &mut Arena,
    ) -> Result<Vec<ComponentPlane>, PixelError> {
        if self.frame.components.len() > scales.len() {
            return Err(internal("planes of four inks"));
        }
        let layout = Layout::of_planes(&self.frame, scales);
        if !window.is_within(layout.size) {
            return Err(internal("the window is empty or larger than the image"));
        }
        let mcus = |range: &Range<u32>, side: usize| range.start as usize / side..(range.end as usize).div_ceil(side);
        let columns = mcus(&window.columns, layout.mcu_size.0);
        let rows = mcus(&window.rows, layout.mcu_size.1);
        let lenient = self.truncated == Truncated::Allow;
        let mut planes = WholePlanes::new(&layout, columns.clone(), rows.clone(), lenient, arena)?;
        let parts = arena.parts();
        let output = Output::Planes(&mut planes);
        let result = self.run(&layout, Wanted { columns, rows }, output, parts.chunk, parts.coefficients);
        let planes = planes.finish();
        if let Err(error) = result {
            for plane in planes {
                arena.recycle(plane.plane.data);
            }
            return Err(error);
        }
        Ok(planes)
    }

    fn layout(&self, scale: Scale, window: &Window) -> Result<(Layout, strips::SampleWindow), PixelError> {
        let layout = Layout::new(&self.frame, scale);
        if !window.is_within(layout.size) {
            return Err(internal("the window is empty or larger than the image"));
        }
        let range = |range: &Range<u32>| range.start as usize..range.end as usize;
        let window = strips::SampleWindow { columns: range(&window.columns), rows: range(&window.rows) };
        Ok((layout, window))
    }

    fn strips<'m>(
        &self,
        layout: &'m Layout,
        window: &strips::SampleWindow,
        memory: &'m mut strips::Rows,
    ) -> Result<Strips<'m>, PixelError> {
        let by_rows = self.frame.coding == Coding::Progressive || self.interleaved;
        let mcu_rows = if by_rows { 1 } else { layout.mcus.1 };
        Strips::new(layout, self.colors, window.clone(), mcu_rows, memory)
    }

    fn run(
        &self,
        layout: &Layout,
        wanted: Wanted,
        output: Output<'_, '_>,
        chunk: &mut Chunk,
        coefficients: &mut Vec<i16>,
    ) -> Result<(), PixelError> {
        let mut run = Run {
            decoder: self,
            layout,
            columns: wanted.columns,
            rows: wanted.rows,
            known: Known::new(layout),
            planned: Vec::new(),
            tables: Tables::default(),
            steps: [None; COMPONENTS_MAX],
            chunk,
            output,
            started: false,
        };
        match self.frame.coding {
            Coding::Progressive => run.progressive(coefficients),
            Coding::Sequential => run.sequential(),
        }
    }
}

fn internal(reason: &str) -> PixelError {
    PixelError::Internal { stage: "decoding", reason: reason.to_owned() }
}

/// The MCUs that are needed.
struct Wanted {
    columns: Range<usize>,
    rows: Range<usize>,
}

/// One decoding.
struct Run<'r, 'a, 'o, 'm> {
    decoder: &'r Decoder<'a>,
    layout: &'r Layout,
    /// The MCUs that are needed.
    columns: Range<usize>,
    rows: Range<usize>,
    /// What the scans of a progressive file tell, and those that are needed.
    known: Known,
    planned: Vec<Planned>,
    tables: Tables,
    /// The quantisation of each component, fixed by its first scan.
    steps: [Option<Block>; COMPONENTS_MAX],
    chunk: &'r mut Chunk,
    output: Output<'o, 'm>,
    /// Whether there is coded data, so that something can be shown.
    started: bool,
}

impl Run<'_, '_, '_, '_> {
    fn sequential(&mut self) -> Result<(), PixelError> {
        let result = self.scans();
        self.judged(result)?;
        if !self.decoder.interleaved {
            self.output.emit()?;
        }
        Ok(())
    }

    /// Whether what is there is shown, if not all is.
    fn judged(&self, result: Result<(), Defect>) -> Result<(), PixelError> {
        match result {
            Err(Defect::TooManyScans(scans_max)) => Err(PixelError::TooManyScans { scans_max }),
            Err(defect) if !self.started || self.decoder.truncated == Truncated::Refuse => Err(defect.into()),
            _ => Ok(()),
        }
    }

    /// Finds all scans, then reads them. Of what is wrong, that counts which comes first in the file.
    fn progressive(&mut self, coefficients: &mut Vec<i16>) -> Result<(), PixelError> {
        let headers = self.scans();
        let planned = std::mem::take(&mut self.planned);
        let side_by_side = !self.decoder.scans_one_by_one && fit_side_by_side(self.layout, planned.len());
        let rows_held = if side_by_side { 1 } else { self.layout.mcus.1 };
        let values = usize::try_from(self.layout.coefficients(rows_held)).unwrap_or(usize::MAX);
        sized(coefficients, values, 0)?;
        let mut coefficients = Coefficients::new(self.layout, rows_held, &mut coefficients[..values]);
        if !side_by_side {
            coefficients.turn_to(0);
            let result = planned.iter().try_for_each(|scan| self.one_scan(scan, &mut coefficients));
            self.judged(result.and(headers))?;
            return self.rows.clone().try_for_each(|_| self.transform(&coefficients));
        }
        let Some((index, defect)) = self.side_by_side(&planned, &mut coefficients)? else {
            return self.judged(headers);
        };
        self.judged(Err(defect))?;
        if index + 1 < planned.len() {
            // What comes behind it in the file is not shown, but was.
            self.output.restart();
            self.side_by_side(&planned[..=index], &mut coefficients)?;
        }
        Ok(())
    }

    /// Reads a scan to its end.
    fn one_scan(&mut self, scan: &Planned, coefficients: &mut Coefficients<'_>) -> Result<(), Defect> {
        let mut running = scan.start(self.decoder.bytes, self.chunk)?;
        running.rows(0..self.layout.mcus.1, self.layout, coefficients)?;
        running.finish()
    }

    /// Reads a row of MCUs of all scans, and so on to the last. Returns the first scan with a defect, and makes of the rows
    /// what the scans before it and, as far as it goes, it itself tell, if it is the last.
    fn side_by_side(
        &mut self,
        planned: &[Planned],
        coefficients: &mut Coefficients<'_>,
    ) -> Result<Option<(usize, Defect)>, PixelError> {
        let mut chunks: Vec<Box<Chunk>> = planned.iter().map(|_| new_chunk()).collect();
        let mut found = None;
        let mut running = Vec::new();
        for (index, (scan, chunk)) in planned.iter().zip(&mut chunks).enumerate() {
            match scan.start(self.decoder.bytes, chunk) {
                Ok(scan) => running.push(scan),
                Err(defect) => {
                    found = Some((index, defect));
                    break;
                }
            }
        }
        for row in 0..self.layout.mcus.1 {
            coefficients.turn_to(row);
            let mut read =
                running.iter_mut().map(|scan| scan.rows(row..row + 1, self.layout, coefficients)).enumerate();
            if let Some((index, Err(defect))) = read.find(|(_, result)| result.is_err()) {
                found = Some((index, defect));
                running.truncate(index);
            }
            let is_shown = found.is_none_or(|(index, _)| index + 1 == planned.len());
            if !is_shown && running.is_empty() {
                break;
            }
            if is_shown && self.rows.contains(&row) {
                self.transform(coefficients)?;
            }
        }
        let ends = running.into_iter().map(Running::finish).enumerate();
        let mut failed = ends.filter_map(|(index, result)| result.err().map(|defect| (index, defect)));
        Ok(failed.next().or(found))
    }

    /// Makes a row of MCUs of its coefficients.
    fn transform(&mut self, coefficients: &Coefficients<'_>) -> Result<(), PixelError> {
        let steps = self.steps.map(|steps| steps.unwrap_or([0; 64]));
        self.output.transform(coefficients, &steps);
        self.output.emit()
    }

    /// Reads segment after segment, until all that is needed is there.
    fn scans(&mut self) -> Result<(), Defect> {
        let scans_max = self.decoder.scans_max;
        let mut segments = Segments::new(self.decoder.bytes);
        let mut scans = 0;
        loop {
            let Segment { marker, body, .. } = segments.next().ok_or(Defect::Truncated("no end marker"))??;
            match marker {
                marker::END => break,
                marker::SCAN => {}
                _ => {
                    self.tables.note(marker, body)?;
                    continue;
                }
            }
            scans += 1;
            if scans > scans_max {
                return Err(Defect::TooManyScans(scans_max));
            }
            let scan = Scan::read(body, &self.decoder.frame)?;
            self.fix_quantisation(&scan)?;
            match self.decoder.frame.coding {
                Coding::Progressive => self.plan(scan, segments.at)?,
                Coding::Sequential if self.decoder.interleaved => return self.only_scan(&scan, segments.at),
                Coding::Sequential => {
                    segments.at = self.plane_scan(&scan, segments.at)?;
                    if self.steps[..self.layout.planes.len()].iter().all(Option::is_some) {
                        return Ok(());
                    }
                }
            }
        }
        if self.decoder.frame.coding == Coding::Progressive && self.known.is_complete() {
            return Ok(());
        }
        Err(Defect::Truncated("the scan of a component"))
    }

    fn fix_quantisation(&mut self, scan: &Scan) -> Result<(), Defect> {
        for component in &scan.components {
            let steps = &mut self.steps[component.index];
            if steps.is_none() {
                let number = usize::from(self.decoder.frame.components[component.index].table);
                let table = self.tables.quantisation.get(number).copied().flatten();
                let table = table.ok_or(Defect::Corrupt("a quantisation table is missing"))?;
                *steps = Some(table.map(u16::cast_signed));
            } else if self.decoder.frame.coding == Coding::Sequential {
                return Err(Defect::Corrupt("a component has two scans"));
            }
        }
        Ok(())
    }

    /// Decodes the scan of all components, straight to rows.
    fn only_scan(&mut self, scan: &Scan, at: usize) -> Result<(), Defect> {
        let unwanted = self.rows.end..if self.decoder.to_the_last_row { self.layout.mcus.1 } else { self.rows.end };
        let partial = self.columns.len() < self.layout.mcus.0 || self.rows.start > 0 || !unwanted.is_empty();
        let tables = ScanTables::sequential(scan, &self.tables, self.layout, partial)?;
        self.started = true;
        let bits = Bits::new(self.decoder.bytes, at, self.chunk);
        let mut scan_rows = sequential(scan, &tables, self.layout, &self.steps, bits, self.tables.restart_interval);
        let components: Vec<usize> = (0..self.layout.planes.len()).collect();
        let lenient = self.decoder.truncated == Truncated::Allow;
        let mut result = (0..self.rows.start).try_for_each(|_| scan_rows.skip_row());
        for _ in self.rows.clone() {
            if lenient {
                self.output.clear();
            }
            if result.is_ok() {
                let mut targets = self.output.next_targets(&components);
                result = scan_rows.row(&self.columns, &mut targets);
            }
            if !lenient {
                result?;
            }
            self.output.emit().map_err(|_| Defect::OutOfMemory)?;
        }
        let is_at_end = unwanted.end == self.layout.mcus.1;
        result = result.and_then(|()| unwanted.into_iter().try_for_each(|_| scan_rows.skip_row()));
        if is_at_end && result.is_ok() {
            scan_rows.bits.finish()?;
        }
        result
    }

    /// Decodes a scan of some components into their planes. Returns where it ends.
    fn plane_scan(&mut self, scan: &Scan, at: usize) -> Result<usize, Defect> {
        let partial = self.columns.len() < self.layout.mcus.0 || self.rows.len() < self.layout.mcus.1;
        let tables = ScanTables::sequential(scan, &self.tables, self.layout, partial)?;
        self.started = true;
        let bits = Bits::new(self.decoder.bytes, at, self.chunk);
        let mut scan_rows = sequential(scan, &tables, self.layout, &self.steps, bits, self.tables.restart_interval);
        let components: Vec<usize> = scan.components.iter().map(|component| component.index).collect();
        let alone = components.len() == 1;
        let plane = &self.layout.planes[components[0]];
        let (rows, columns, wanted) = if alone {
            let blocks = |range: &Range<usize>, by: usize| range.start * by..range.end * by;
            (plane.own_blocks.1, blocks(&self.columns, plane.across), blocks(&self.rows, plane.down))
        } else {
            (self.layout.mcus.1, self.columns.clone(), self.rows.clone())
        };
        for row in 0..rows {
            if wanted.contains(&row) {
                scan_rows.row(&columns, &mut self.output.targets(&components, row, alone))?;
            } else {
                scan_rows.skip_row()?;
            }
        }
        scan_rows.bits.finish()
    }

    /// Notes a scan to be read, if anything of it is needed.
    fn plan(&mut self, scan: Scan, at: usize) -> Result<(), Defect> {
        self.started = true;
        if self.known.announce(&scan, self.layout)? {
            self.planned.push(Planned::new(scan, &self.tables, at));
        }
        Ok(())
    }
}

fn decoding(spec: Option<&HuffmanSpec>) -> Result<Decoding, Defect> {
    Decoding::new(spec.ok_or(Defect::Corrupt("a Huffman table is missing"))?)
}

/// The tables that a sequential scan uses, by number.
struct ScanTables {
    dc: [Option<Decoding>; 4],
    ac: [Option<AcTables>; 4],
}

/// What reads the coefficients after the first. Of the tables that take several at a time only those that are used are made.
struct AcTables {
    codes: Decoding,
    skipping: Skipping,
    pairs: Pairs,
}

impl ScanTables {
    fn sequential(scan: &Scan, tables: &Tables, layout: &Layout, partial: bool) -> Result<Self, Defect> {
        let mut made = Self { dc: Default::default(), ac: Default::default() };
        for component in &scan.components {
            let dc = &mut made.dc[component.dc];
            if dc.is_none() {
                let standard = || HuffmanSpec::standard_dc(component.dc);
                *dc = Some(decoding(tables.dc[component.dc].as_deref().copied().or_else(standard).as_ref())?);
            }
            if made.ac[component.ac].is_none() {
                let sharing = || scan.components.iter().filter(|other| other.ac == component.ac);
                let flat = |other: &ScanComponent| layout.planes[other.index].side == 1;
                let standard = || HuffmanSpec::standard_ac(component.ac);
                let codes = decoding(tables.ac[component.ac].as_deref().copied().or_else(standard).as_ref())?;
                let skips = partial || sharing().any(flat);
                let skipping = if skips { Skipping::new(&codes) } else { Skipping::none() };
                let pairs = if sharing().all(flat) { Pairs::none() } else { Pairs::new(&codes) };
                made.ac[component.ac] = Some(AcTables { codes, skipping, pairs });
            }
        }
        Ok(made)
    }
}

/// A sequential scan at its first MCU.
fn sequential<'t, 'a>(
    scan: &Scan,
    tables: &'t ScanTables,
    layout: &Layout,
    steps: &'t [Option<Block>; COMPONENTS_MAX],
    bits: Bits<'a>,
    restart_interval: u32,
) -> Sequential<'t, 'a> {
    let alone = scan.components.len() == 1;
    let part = |component: &ScanComponent| {
        let plane = &layout.planes[component.index];
        let (across, down) = if alone { (1, 1) } else { (plane.across, plane.down) };
        let AcTables { codes: ac, skipping, pairs } = tables.ac[component.ac].as_ref()?;
        let (dc, steps) = (tables.dc[component.dc].as_ref()?, steps[component.index].as_ref()?);
        Some(Part { across, down, side: plane.side, dc, ac, skipping, pairs, steps })
    };
    let mcus = if alone { layout.planes[scan.components[0].index].own_blocks } else { layout.mcus };
    Sequential {
        bits,
        parts: scan.components.iter().filter_map(part).collect(),
        mcus_across: mcus.0,
        restarts: Restarts::new(restart_interval),
        predictors: [0; 4],
        waiting: Waiting::new(),
    }
}
