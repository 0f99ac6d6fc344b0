//! Builtin grammars of keys, after VoiceXML 2.0 appendix P: `builtin:dtmf/NAME?parameters`.

use crate::grammar::Grammar;
use crate::grammar::compile::compile_alone;
use crate::grammar::network::keys_of;
use crate::grammar::srgs;

/// Their names.
pub(super) const NAMES: [&str; 7] = ["boolean", "currency", "date", "digits", "number", "phone", "time"];

/// What all of them begin with.
const HEADER: &str = "#ABNF 1.0 UTF-8; mode dtmf; tag-format <semantics/1.0>; root $entry;
    $digit = 0 | 1 | 2 | 3 | 4 | 5 | 6 | 7 | 8 | 9;";

/// `true` and `false`, by the keys that the parameters `y` and `n` name.
const BOOLEAN: &str = "public $entry = \"YES\" {out = true} | \"NO\" {out = false};";

/// An amount, with `*` for the point: `12*50` is 12.50, and `12` is 12.00.
const CURRENCY: &str = "public $entry = $whole {out = meta.latest().text + '.00'}
    | $whole {out = meta.latest().text + '.'} \"*\" $cents {out += meta.latest().text};
    $whole = $digit<1->;
    $cents = $digit<2>;";

/// Year, month and day: eight digits.
const DATE: &str = "public $entry = $digit<4> $month $day {out = meta.current().text};
    $month = 0 (1 | 2 | 3 | 4 | 5 | 6 | 7 | 8 | 9) | 1 (0 | 1 | 2);
    $day = 0 (1 | 2 | 3 | 4 | 5 | 6 | 7 | 8 | 9) | (1 | 2) $digit | 3 (0 | 1);";

/// As many digits as the parameters `minlength`, `maxlength` and `length` say.
const DIGITS: &str = "public $entry = $digit<LENGTH> {out = meta.current().text};";

/// A number from 0 up, with `*` for the point.
const NUMBER: &str = "public $entry = ($digit<1-> [\"*\" $digit<1->] | \"*\" $digit<1->)
    {out = meta.current().text.replace('*', '.')};";

/// A telephone number, with `*` before the extension: `8005551234*789` is 8005551234x789.
const PHONE: &str = "public $entry = $digit<1-> [\"*\" $digit<1->] {out = meta.current().text.replace('*', 'x')};";

/// Hours and minutes: four digits. What can't be in the twelve hours of a clock ends in `h`, all else in `?`.
const TIME: &str = "public $entry = $clear $minutes {out = meta.current().text + 'h'}
    | $either $minutes {out = meta.current().text + '?'};
    $clear = 0 0 | 1 (3 | 4 | 5 | 6 | 7 | 8 | 9) | 2 (0 | 1 | 2 | 3);
    $either = 0 (1 | 2 | 3 | 4 | 5 | 6 | 7 | 8 | 9) | 1 (0 | 1 | 2);
    $minutes = (0 | 1 | 2 | 3 | 4 | 5) $digit;";

/// The grammar of that name. Parameters that are its own are taken out of `parameters`.
pub(super) fn find<'a>(name: &str, parameters: &mut Vec<(&'a str, &'a str)>) -> Result<Option<Grammar>, String> {
    let mut take = |wanted: &str| {
        let at = parameters.iter().position(|(name, _)| *name == wanted)?;
        Some(parameters.remove(at).1)
    };
    let rules = match name {
        "boolean" => {
            let key = |name: &str, value: Option<&str>, default: char| match value.map(|value| (value, keys_of(value)))
            {
                None => Ok(default),
                Some((_, Some(keys))) if keys.len() == 1 => Ok(keys.first().copied().unwrap_or(default)),
                Some((value, _)) => Err(format!("{name}={value} is no key")),
            };
            let (yes, no) = (key("y", take("y"), '1')?, key("n", take("n"), '2')?);
            if yes == no {
                return Err(format!("y and n are the same key, {yes}"));
            }
            BOOLEAN.replace("YES", &yes.to_string()).replace("NO", &no.to_string())
        }
        "currency" => CURRENCY.to_owned(),
        "date" => DATE.to_owned(),
        "digits" => {
            let number = |name: &str, value: Option<&str>| match value {
                None => Ok(None),
                Some(value) => {
                    let number = value.parse().ok().filter(|number: &u32| (1..=500).contains(number));
                    number.map(Some).ok_or_else(|| format!("{name}={value} is no number from 1 to 500"))
                }
            };
            let length = number("length", take("length"))?;
            let min = number("minlength", take("minlength"))?;
            let max = number("maxlength", take("maxlength"))?;
            let length = match (length, min, max) {
                (Some(length), None, None) => length.to_string(),
                (Some(_), _, _) => return Err("length goes with neither minlength nor maxlength".to_owned()),
                (None, min, None) => format!("{}-", min.unwrap_or(1)),
                (None, min, Some(max)) if min.unwrap_or(1) <= max => format!("{}-{max}", min.unwrap_or(1)),
                (None, _, Some(_)) => return Err("minlength is above maxlength".to_owned()),
            };
            DIGITS.replace("LENGTH", &length)
        }
        "number" => NUMBER.to_owned(),
        "phone" => PHONE.to_owned(),
        "time" => TIME.to_owned(),
        _ => return Ok(None),
    };
    let grammar = srgs::parse(&format!("{HEADER}\n{rules}")).and_then(compile_alone);
    grammar.map(Some).map_err(|error| error.reason)
}
