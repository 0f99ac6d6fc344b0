//! Judging detection: recordings against their truth, and pictures of what was heard.

mod charts;
mod page;
mod picture;
mod report;
mod statistics;
mod stress;
mod text;
mod truth;

pub use page::{page, picture_page};
pub use picture::picture;
pub use report::{Beeps, Call, Failed, Figures, Group, Report, Row, Settings, Told, ToldBeep, WorstFold};
pub use statistics::{Auc, Bin, Calibration, Rate, RocPoint, Share, Spread, roc};
pub use stress::{Codec, Stress};
pub use text::text;
pub use truth::{Truth, TruthError};
