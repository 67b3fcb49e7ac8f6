//! The closing table.

use std::collections::BTreeMap;
use std::fmt;
use std::time::Duration;

use super::work::{PRICE_HEIGHT, PRICE_MEMORY_BYTES, PRICE_WIDTH};

/// What became of one file.
pub(crate) struct Verdict {
    pub(crate) word: String,
    pub(crate) cpu: Duration,
    pub(crate) probe_cpu: Duration,
    pub(crate) peak_bytes: u64,
}

/// What became of all.
#[derive(Default)]
pub(crate) struct Report {
    families: BTreeMap<String, Row>,
    prices: Vec<Price>,
    pub(crate) problems: Vec<String>,
}

/// What one format costs as another, and what it really took.
struct Price {
    input: String,
    output: String,
    predicted_bytes: u64,
    peak_bytes: u64,
    made: bool,
}

#[derive(Default)]
struct Row {
    files: u64,
    refused: u64,
    refused_later: u64,
    made: u64,
    slowest: Duration,
    slowest_name: String,
    slowest_probe: Duration,
    peak_bytes: u64,
}

impl Report {
    pub(crate) fn note(&mut self, family: &str, name: &str, verdict: &Verdict) {
        let row = self.families.entry(family.to_owned()).or_default();
        row.files += 1;
        match verdict.word.as_str() {
            "made" => row.made += 1,
            "refused" => row.refused += 1,
            _ => row.refused_later += 1,
        }
        if verdict.cpu > row.slowest {
            row.slowest = verdict.cpu;
            name.clone_into(&mut row.slowest_name);
        }
        row.slowest_probe = row.slowest_probe.max(verdict.probe_cpu);
        row.peak_bytes = row.peak_bytes.max(verdict.peak_bytes);
    }

    pub(crate) fn price(&mut self, input: &str, output: &str, predicted_bytes: u64, peak_bytes: u64, made: bool) {
        let (input, output) = (input.to_owned(), output.to_owned());
        self.prices.push(Price { input, output, predicted_bytes, peak_bytes, made });
    }

    /// Notes that a worker died of a file, and gives the file's number.
    pub(crate) fn died(&mut self, number: u64, name: &str, how: &str) -> u64 {
        self.problems.push(format!("{name}: {how}"));
        number
    }

    pub(crate) fn add(&mut self, other: Self) {
        for (family, row) in other.families {
            self.families.entry(family).or_default().add(row);
        }
        self.prices.extend(other.prices);
        self.problems.extend(other.problems);
    }

    /// Bytes for each pixel of the source, and shares.
    #[expect(clippy::cast_precision_loss, reason = "numbers for people")]
    fn write_prices(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let pixels = f64::from(PRICE_WIDTH * PRICE_HEIGHT);
        writeln!(
            f,
            "\n{:<26} {:<10} {:>10} {:>10} {:>10} {:>15}",
            "from", "to", "price B/px", "peak B/px", "peak/price", "price of memory"
        )?;
        let mut rows: Vec<&Price> = self.prices.iter().collect();
        rows.sort_by_key(|row| (&row.input, &row.output));
        for Price { input, output, predicted_bytes, peak_bytes, made } in rows {
            let (price, peak) = (*predicted_bytes as f64, *peak_bytes as f64);
            let of_memory = price / PRICE_MEMORY_BYTES as f64 * 100.0;
            write!(f, "{input:<26} {output:<10} {:>10.2}", price / pixels)?;
            if *made {
                write!(f, " {:>10.2} {:>8.0} %", peak / pixels, peak / price * 100.0)?;
            } else {
                write!(f, " {:>10} {:>10}", "-", "refused")?;
            }
            writeln!(f, " {of_memory:>13.0} %")?;
        }
        Ok(())
    }
}

impl Row {
    fn add(&mut self, other: Self) {
        self.files += other.files;
        self.refused += other.refused;
        self.refused_later += other.refused_later;
        self.made += other.made;
        if other.slowest > self.slowest {
            (self.slowest, self.slowest_name) = (other.slowest, other.slowest_name);
        }
        self.slowest_probe = self.slowest_probe.max(other.slowest_probe);
        self.peak_bytes = self.peak_bytes.max(other.peak_bytes);
    }
}

impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if !self.prices.is_empty() {
            self.write_prices(f)?;
        }
        writeln!(
            f,
            "\n{:<18} {:>7} {:>8} {:>8} {:>7} {:>9} {:>9} {:>9}  slowest file",
            "family", "files", "by probe", "by decod", "made", "probe", "slowest", "peak"
        )?;
        let mut all = Row::default();
        for (family, row) in &self.families {
            write_row(f, family, row)?;
            all.add(Row { slowest_name: row.slowest_name.clone(), ..*row });
        }
        write_row(f, "all", &all)
    }
}

fn write_row(f: &mut fmt::Formatter<'_>, family: &str, row: &Row) -> fmt::Result {
    let Row { files, refused, refused_later, made, slowest_name, .. } = row;
    let ms = |time: Duration| format!("{:.1} ms", time.as_secs_f64() * 1000.0);
    let mib = row.peak_bytes.div_ceil(1024 * 1024);
    let (probe, slowest) = (ms(row.slowest_probe), ms(row.slowest));
    writeln!(
        f,
        "{family:<18} {files:>7} {refused:>8} {refused_later:>8} {made:>7} {probe:>9} {slowest:>9} {mib:>5} MiB  {slowest_name}"
    )
}
