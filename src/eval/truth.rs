//! What is true of recordings: a table of comma-separated values (RFC 4180) with a line for each.

use std::collections::HashMap;
use std::fmt;

use crate::detect::Label;

/// What is true of one recording. Times are in seconds of the recording, which begins when the call is answered.
#[derive(Debug, Clone, PartialEq)]
pub struct Truth {
    /// The recording's path, as the table has it.
    pub file: String,
    /// The line of the table, from 1.
    pub line: u64,
    /// Who or what answered.
    pub label: Label,
    /// A finer kind, as "short"; may be empty.
    pub detail: String,
    /// Where the recording comes from; may be empty.
    pub source: String,
    /// The codec it went through; may be empty.
    pub codec: String,
    /// The fold that it is held out in; may be empty.
    pub fold: String,
    /// The model that it is decided with, a path as the table has it; empty for the usual one.
    pub model: String,
    /// When speech begins.
    pub speech_on_s: Option<f64>,
    /// When the greeting ends.
    pub greeting_end_s: Option<f64>,
    /// When the beep begins.
    pub beep_on_s: Option<f64>,
    /// When it ends.
    pub beep_off_s: Option<f64>,
    /// Its frequency in hertz.
    pub beep_hz: Option<f64>,
    /// How far it is over the noise, in dB.
    pub beep_snr_db: Option<f64>,
    /// The recording's length.
    pub duration_s: Option<f64>,
}

/// What is wrong with a table, and where.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TruthError {
    /// The line, from 1; 0 if it is not one line's fault.
    pub line: u64,
    /// What is wrong.
    pub reason: String,
}

impl fmt::Display for TruthError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.line {
            0 => f.write_str(&self.reason),
            line => write!(f, "line {line}: {}", self.reason),
        }
    }
}

impl std::error::Error for TruthError {}

impl Truth {
    /// Reads a table. Its first line names the columns: `file` and `label` must be there, `detail`, `source`, `codec`,
    /// `fold`, `model`, `speech_on_s`, `greeting_end_s`, `beep_on_s`, `beep_off_s`, `beep_hz` and `duration_s` may be,
    /// others are passed over. A cell may be empty except in the first two; a beep's frequency of 0 is none, too.
    /// Semicolons may stand for commas.
    ///
    /// # Errors
    /// The first thing that is wrong, with its line.
    pub fn read(table: &[u8]) -> Result<Vec<Self>, TruthError> {
        let table = table.strip_prefix(b"\xef\xbb\xbf").unwrap_or(table);
        let head = table.split(|byte| *byte == b'\n').next().unwrap_or_default();
        let delimiter = if head.contains(&b';') && !head.contains(&b',') { b';' } else { b',' };
        let mut reader = csv::ReaderBuilder::new()
            .has_headers(false)
            .delimiter(delimiter)
            .flexible(true)
            .trim(csv::Trim::All)
            .from_reader(table);
        let mut records = reader.byte_records();
        let Some(head) = records.next() else {
            return Err(TruthError { line: 0, reason: "the table is empty".to_owned() });
        };
        let columns = Columns::read(&head.map_err(unreadable)?)?;
        let (mut rows, mut seen) = (Vec::new(), HashMap::new());
        let (mut line, mut counted) = (1, 0);
        for record in records {
            let record = record.map_err(unreadable)?;
            // The reader counts a line too few where lines end with CR and LF.
            let at = record.position().map_or(0, |position| position.byte() as usize);
            let begin = at + table[at..].iter().take_while(|byte| matches!(byte, b'\r' | b'\n')).count();
            line += table[counted..begin].iter().filter(|byte| **byte == b'\n').count() as u64;
            counted = begin;
            if record.iter().all(<[u8]>::is_empty) {
                continue;
            }
            let row = columns.row(&record, line).map_err(|reason| TruthError { line, reason })?;
            if let Some(first) = seen.insert(row.file.clone(), line) {
                return Err(TruthError { line, reason: format!("{} has line {first} already", row.file) });
            }
            rows.push(row);
        }
        if rows.is_empty() {
            return Err(TruthError { line: 0, reason: "the table names no recording".to_owned() });
        }
        Ok(rows)
    }

    /// The source of the voice: what stands before `+beep:`, which names another source of the beep.
    #[must_use]
    pub fn voice_source(&self) -> &str {
        self.source.split("+beep").next().unwrap_or_default()
    }

    /// Label and detail together.
    #[must_use]
    pub fn kind(&self) -> String {
        format!("{} {}", self.label, self.detail).trim_end().to_owned()
    }
}

fn unreadable(error: csv::Error) -> TruthError {
    TruthError { line: error.position().map_or(0, csv::Position::line), reason: error.to_string() }
}

/// Where the columns are.
struct Columns {
    places: HashMap<String, usize>,
    count: usize,
}

impl Columns {
    fn read(head: &csv::ByteRecord) -> Result<Self, TruthError> {
        let mut places = HashMap::new();
        for (place, name) in head.iter().enumerate() {
            let name = String::from_utf8_lossy(name).to_ascii_lowercase();
            if !name.is_empty() && places.insert(name.clone(), place).is_some() {
                return Err(TruthError { line: 1, reason: format!("two columns are named {name}") });
            }
        }
        for name in ["file", "label"] {
            if !places.contains_key(name) {
                return Err(TruthError { line: 1, reason: format!("no column is named {name}") });
            }
        }
        Ok(Self { places, count: head.len() })
    }

    fn row(&self, record: &csv::ByteRecord, line: u64) -> Result<Truth, String> {
        if record.len() > self.count {
            return Err(format!("{} cells, but {} columns have names", record.len(), self.count));
        }
        let text = |name: &str| {
            let cell = self.places.get(name).and_then(|place| record.get(*place)).unwrap_or_default();
            std::str::from_utf8(cell).map(str::to_owned).map_err(|_| format!("{name} is not UTF-8"))
        };
        let number_from = |name: &str, least: f64, kind: &str| -> Result<Option<f64>, String> {
            let cell = text(name)?;
            if cell.is_empty() {
                return Ok(None);
            }
            let number = cell.parse().ok().filter(|number: &f64| number.is_finite() && *number >= least);
            number.map(Some).ok_or_else(|| format!("{name}: \"{cell}\" is not {kind}"))
        };
        let number = |name: &str| number_from(name, 0.0, "a number from 0 on");
        let file = text("file")?;
        if file.is_empty() {
            return Err("no file is named".to_owned());
        }
        let word = text("label")?;
        let label = word.parse().ok().filter(|label| *label != Label::Unknown);
        let label = label.ok_or_else(|| format!("label: \"{word}\" is none of {}", labels()))?;
        let truth = Truth {
            file,
            line,
            label,
            detail: text("detail")?,
            source: text("source")?,
            codec: text("codec")?,
            fold: text("fold")?,
            model: text("model")?,
            speech_on_s: number("speech_on_s")?,
            greeting_end_s: number("greeting_end_s")?,
            beep_on_s: number("beep_on_s")?,
            beep_off_s: number("beep_off_s")?,
            // A beep of no single frequency is written with 0.
            beep_hz: number("beep_hz")?.filter(|hz| *hz > 0.0),
            beep_snr_db: number_from("beep_snr_db", f64::MIN, "a number")?,
            duration_s: number("duration_s")?,
        };
        for (first, from, last, to) in [
            ("speech_on_s", truth.speech_on_s, "greeting_end_s", truth.greeting_end_s),
            ("beep_on_s", truth.beep_on_s, "beep_off_s", truth.beep_off_s),
        ] {
            if let (Some(from), Some(to)) = (from, to)
                && to < from
            {
                return Err(format!("{last} {to} is before {first} {from}"));
            }
        }
        if truth.beep_on_s.is_none() && (truth.beep_off_s.is_some() || truth.beep_hz.is_some()) {
            return Err("a beep has an end or a frequency, but no beep_on_s".to_owned());
        }
        Ok(truth)
    }
}

fn labels() -> String {
    let known = Label::ALL.into_iter().filter(|label| *label != Label::Unknown);
    known.map(Label::as_str).collect::<Vec<_>>().join(", ")
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn wrong(table: &str) -> String {
        Truth::read(table.as_bytes()).unwrap_err().to_string()
    }

    #[test]
    fn columns_may_come_in_any_order_lack_or_be_unknown() {
        let table = "\u{feff}note, Label ,file,beep_on_s,beep_hz\r\n\"a, \"\"b\"\"\",Machine,x y.wav, 7.5 ,1000\r\n\r\n,human,z.flac\r\n";
        let rows = Truth::read(table.as_bytes()).unwrap();
        assert_eq!(rows.len(), 2);
        assert_eq!((rows[0].file.as_str(), rows[0].label, rows[0].line), ("x y.wav", Label::Machine, 2));
        assert_eq!((rows[0].beep_on_s, rows[0].beep_off_s, rows[0].beep_hz), (Some(7.5), None, Some(1000.0)));
        assert_eq!(Truth::read(b"file,label,beep_on_s,beep_hz\na,machine,1,0\n").unwrap()[0].beep_hz, None);
        let faint = Truth::read(b"file,label,beep_on_s,beep_snr_db\na,machine,1,-2.5\n").unwrap();
        assert_eq!(faint[0].beep_snr_db, Some(-2.5));
        assert_eq!((rows[1].file.as_str(), rows[1].beep_on_s, rows[1].line), ("z.flac", None, 4));
        assert_eq!(Truth::read(b"file;label\na.wav;sit\n").unwrap()[0].label, Label::Sit);
    }

    #[test]
    fn folds_and_models() {
        let rows = Truth::read(b"file,label,fold,model\na,human,A 1,../m/a.onnx\nb,sit,,\n").unwrap();
        assert_eq!((rows[0].fold.as_str(), rows[0].model.as_str()), ("A 1", "../m/a.onnx"));
        assert_eq!((rows[1].fold.as_str(), rows[1].model.as_str()), ("", ""));
    }

    #[test]
    fn kinds_and_sources() {
        let table = "file,label,detail,source\na,human,short,x/y+beep:z\nb,sit,,\n";
        let rows = Truth::read(table.as_bytes()).unwrap();
        assert_eq!((rows[0].kind().as_str(), rows[0].voice_source()), ("human short", "x/y"));
        assert_eq!((rows[1].kind().as_str(), rows[1].voice_source()), ("sit", ""));
    }

    #[test]
    fn what_is_wrong_is_said_with_its_line() {
        assert_eq!(wrong(""), "the table is empty");
        assert_eq!(wrong("file,label\n"), "the table names no recording");
        assert_eq!(wrong("name,label\nx,human\n"), "line 1: no column is named file");
        assert_eq!(wrong("file,label,file\n"), "line 1: two columns are named file");
        assert_eq!(wrong("file,label\na,human\n,sit\n"), "line 3: no file is named");
        assert_eq!(
            wrong("file,label\na,person\n"),
            "line 2: label: \"person\" is none of human, machine, screening, ivr, fax, sit, busy, ringback, music, silence, beep"
        );
        assert_eq!(wrong("file,label\na,human\nb,sit\na,sit\n"), "line 4: a has line 2 already");
        assert_eq!(wrong("file,label\na,human,x\n"), "line 2: 3 cells, but 2 columns have names");
        assert_eq!(
            wrong("file,label,beep_hz\na,sit,\nb,sit,1kHz\n"),
            "line 3: beep_hz: \"1kHz\" is not a number from 0 on"
        );
        assert_eq!(
            wrong("file,label,beep_hz\na,machine,900\n"),
            "line 2: a beep has an end or a frequency, but no beep_on_s"
        );
        assert_eq!(
            wrong("file,label,speech_on_s,greeting_end_s\na,human,2,1\n"),
            "line 2: greeting_end_s 1 is before speech_on_s 2"
        );
    }

    #[test]
    fn other_bytes_than_text_are_refused() {
        let error = Truth::read(b"file,label\n\xff\xfe.wav,human\n").unwrap_err();
        assert_eq!(error.to_string(), "line 2: file is not UTF-8");
    }

    proptest! {
        #[test]
        fn any_bytes_are_read_or_refused(mut table in proptest::collection::vec(any::<u8>(), 0..200), head in any::<bool>()) {
            if head {
                table.splice(0..0, b"file,label,beep_on_s\n".iter().copied());
            }
            drop(Truth::read(&table));
        }
    }
}
