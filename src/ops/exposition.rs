//! Metrics as text: OpenMetrics 1.0, and the older format of Prometheus (0.0.4) that it came from.

use std::fmt;

use prometheus_client::collector::Collector;
use prometheus_client::encoding::DescriptorEncoder;
use prometheus_client::metrics::MetricType;
use prometheus_client::metrics::exemplar::Exemplar;
use prometheus_client::registry::Unit;

/// In which form metrics are shown.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Form {
    /// For those who ask for it, as Prometheus does.
    OpenMetrics,
    /// For all others.
    Text,
}

impl Form {
    /// The form that an Accept header asks for (RFC 9110 section 12.5.1).
    #[must_use]
    pub fn of_accept(accept: &str) -> Self {
        let asked = accept.split(',').any(|range| {
            let mut parts = range.split(';').map(str::trim);
            let wanted = parts.next().is_some_and(|kind| kind.eq_ignore_ascii_case("application/openmetrics-text"));
            let refused =
                |part: &str| part.strip_prefix("q=").is_some_and(|q| q.parse::<f32>().is_ok_and(|q| q == 0.0));
            wanted && !parts.any(refused)
        });
        if asked { Self::OpenMetrics } else { Self::Text }
    }

    /// Its Content-Type.
    #[must_use]
    pub const fn content_type(self) -> &'static str {
        match self {
            Self::OpenMetrics => "application/openmetrics-text; version=1.0.0; charset=utf-8",
            Self::Text => "text/plain; version=0.0.4; charset=utf-8",
        }
    }

    /// Text in this form of text in the form of OpenMetrics.
    pub(super) fn of(self, open: String) -> String {
        match self {
            Self::OpenMetrics => open,
            Self::Text => older(&open),
        }
    }
}

/// The older format: a counter's family has the name of its sample, units are not told, nor is the end.
fn older(open: &str) -> String {
    let mut text = String::with_capacity(open.len());
    let mut help = "";
    for line in open.lines() {
        if let Some(rest) = line.strip_prefix("# HELP ") {
            // It is written with the type, which says what the family is called.
            help = rest;
        } else if let Some((name, kind)) = line.strip_prefix("# TYPE ").and_then(|rest| rest.split_once(' ')) {
            let (suffix, kind) = match kind {
                "counter" => ("_total", kind),
                "info" => ("_info", "gauge"),
                "unknown" => ("", "untyped"),
                _ => ("", kind),
            };
            if let Some(help) = help.strip_prefix(name) {
                text.extend(["# HELP ", name, suffix, help, "\n"]);
            }
            text.extend(["# TYPE ", name, suffix, " ", kind, "\n"]);
        } else if !line.starts_with('#') {
            text.extend([line, "\n"]);
        }
    }
    text
}

/// Where numbers are written that are known without having been counted here. Names are without `_total` and without
/// their unit; those of units are [`Unit`]'s, and the numbers are in them.
#[derive(Debug)]
pub struct Exposition<'a> {
    encoder: DescriptorEncoder<'a>,
}

/// Labels of one sample.
pub type Labels<'a> = &'a [(&'a str, &'a str)];

impl Exposition<'_> {
    /// Something that only grows.
    ///
    /// # Errors
    /// When nothing can be written there.
    pub fn counter(&mut self, name: &str, help: &str, unit: Option<&Unit>, value: f64) -> fmt::Result {
        self.counters(name, help, unit, &[(&[], value)])
    }

    /// The like of [`Self::counter`], by labels.
    ///
    /// # Errors
    /// When nothing can be written there.
    pub fn counters(
        &mut self,
        name: &str,
        help: &str,
        unit: Option<&Unit>,
        values: &[(Labels<'_>, f64)],
    ) -> fmt::Result {
        let mut metric = self.encoder.encode_descriptor(name, help, unit, MetricType::Counter)?;
        for (labels, value) in values {
            let exemplar = None::<&Exemplar<[(&str, &str); 0], f64>>;
            if labels.is_empty() {
                // A family without labels would be written with empty braces.
                metric.encode_counter(value, exemplar)?;
            } else {
                metric.encode_family(labels)?.encode_counter(value, exemplar)?;
            }
        }
        Ok(())
    }

    /// Something that goes up and down.
    ///
    /// # Errors
    /// When nothing can be written there.
    pub fn gauge(&mut self, name: &str, help: &str, unit: Option<&Unit>, value: f64) -> fmt::Result {
        self.gauges(name, help, unit, &[(&[], value)])
    }

    /// The like of [`Self::gauge`], by labels.
    ///
    /// # Errors
    /// When nothing can be written there.
    pub fn gauges(&mut self, name: &str, help: &str, unit: Option<&Unit>, values: &[(Labels<'_>, f64)]) -> fmt::Result {
        let mut metric = self.encoder.encode_descriptor(name, help, unit, MetricType::Gauge)?;
        for (labels, value) in values {
            if labels.is_empty() {
                metric.encode_gauge(value)?;
            } else {
                metric.encode_family(labels)?.encode_gauge(value)?;
            }
        }
        Ok(())
    }

    /// A distribution: the sum of all that was observed, and how often it was up to each bound but over the one before.
    /// The last bound is infinite, whatever it says.
    ///
    /// # Errors
    /// When nothing can be written there.
    pub fn histogram(
        &mut self,
        name: &str,
        help: &str,
        unit: Option<&Unit>,
        sum: f64,
        buckets: impl IntoIterator<Item = (f64, u64)>,
    ) -> fmt::Result {
        let mut buckets: Vec<(f64, u64)> = buckets.into_iter().collect();
        if let Some((bound, _)) = buckets.last_mut() {
            // What the encoder writes as +Inf.
            *bound = f64::INFINITY;
        }
        let count = buckets.iter().map(|(_, count)| count).sum();
        let mut metric = self.encoder.encode_descriptor(name, help, unit, MetricType::Histogram)?;
        metric.encode_histogram::<[(&str, &str); 0]>(sum, count, &buckets, None)
    }

    /// What this is, as labels.
    ///
    /// # Errors
    /// When nothing can be written there.
    pub fn info(&mut self, name: &str, help: &str, labels: Labels<'_>) -> fmt::Result {
        let mut metric = self.encoder.encode_descriptor(name, help, None, MetricType::Info)?;
        metric.encode_info(&labels)
    }
}

/// Writes numbers when they are asked for.
pub(super) struct Reader<F>(pub(super) F);

impl<F> fmt::Debug for Reader<F> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Reader")
    }
}

impl<F: Fn(&mut Exposition<'_>) -> fmt::Result + Send + Sync + 'static> Collector for Reader<F> {
    fn encode(&self, encoder: DescriptorEncoder<'_>) -> fmt::Result {
        (self.0)(&mut Exposition { encoder })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_read_is_written_as_it_should_be() {
        let metrics = crate::ops::Metrics::new();
        metrics.read(|page| {
            page.counter("a", "Of a.", None, 2.0)?;
            page.gauges("b", "Of b.", None, &[(&[("of", "x")], 1.5)])?;
            page.histogram("c", "Of c.", Some(&Unit::Seconds), 3.0, [(1.0, 1), (f64::INFINITY, 1)])
        });
        let open = metrics.show(Form::OpenMetrics);
        let wanted = "# HELP a Of a.\n# TYPE a counter\na_total 2.0\n# HELP b Of b.\n# TYPE b gauge\nb{of=\"x\"} 1.5\n\
                      # HELP c_seconds Of c.\n# TYPE c_seconds histogram\n# UNIT c_seconds seconds\nc_seconds_sum 3.0\n\
                      c_seconds_count 2\nc_seconds_bucket{le=\"1.0\"} 1\nc_seconds_bucket{le=\"+Inf\"} 2\n# EOF\n";
        assert!(open.ends_with(wanted), "{open}");
    }

    #[test]
    fn who_asks_for_openmetrics_gets_it() {
        let prometheus = "application/openmetrics-text;version=1.0.0,text/plain;version=0.0.4;q=0.5,*/*;q=0.1";
        assert_eq!(Form::of_accept(prometheus), Form::OpenMetrics);
        for other in ["", "*/*", "text/plain", "application/openmetrics-text; q=0", "text/html,application/json"] {
            assert_eq!(Form::of_accept(other), Form::Text, "{other}");
        }
    }

    #[test]
    fn the_older_format_names_families_as_their_samples() {
        let open = "# HELP a Of a.\n# TYPE a counter\na_total 1\n# HELP b_seconds Of b.\n# TYPE b_seconds gauge\n\
                    # UNIT b_seconds seconds\nb_seconds 2\n# HELP c Of c.\n# TYPE c info\nc_info{x=\"y\"} 1\n# EOF\n";
        let text = "# HELP a_total Of a.\n# TYPE a_total counter\na_total 1\n# HELP b_seconds Of b.\n\
                    # TYPE b_seconds gauge\nb_seconds 2\n# HELP c_info Of c.\n# TYPE c_info gauge\nc_info{x=\"y\"} 1\n";
        assert_eq!(Form::Text.of(open.to_owned()), text);
        assert_eq!(Form::OpenMetrics.of(open.to_owned()), open);
    }
}
