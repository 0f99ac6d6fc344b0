//! Judging detection: recordings against their truth, and pictures of what was heard.

mod aims;
pub mod baseline;
mod charts;
mod comparison;
mod moments;
mod page;
mod picture;
mod plots;
mod points;
mod report;
mod settings;
mod statistics;
mod stress;
mod text;
mod truth;

pub use aims::{Aim, Reached};
pub use comparison::{Answer, Contender};
pub use moments::{Early, SpeakAt};
pub use page::{page, picture_page};
pub use picture::picture;
pub use plots::plots;
pub use points::{Cases, Minds};
pub use report::{Beeps, Call, Failed, Figures, Group, OfLabel, Report, Row, Told, ToldBeep, Within, WorstFold};
pub use settings::{OperatingPoint, Settings};
pub use statistics::{Auc, Bin, Calibration, Rate, RocPoint, Share, Spread, roc};
pub use stress::{Codec, Stress};
pub use text::text;
pub use truth::{Truth, TruthError};
