//! `answerd eval` and `answerd detect --plot`, as they are run.

use std::path::{Path, PathBuf};
use std::process::{Command, Output};

fn audio(name: &str) -> String {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/data/audio").join(name).display().to_string()
}

/// A folder of its own for one test, empty.
fn folder(name: &str) -> PathBuf {
    let folder = Path::new(env!("CARGO_TARGET_TMPDIR")).join(name);
    drop(std::fs::remove_dir_all(&folder));
    std::fs::create_dir_all(&folder).unwrap();
    folder
}

fn answerd(arguments: &[&str]) -> Output {
    Command::new(env!("CARGO_BIN_EXE_answerd")).args(arguments).output().unwrap()
}

fn told(output: &Output) -> (String, String) {
    (String::from_utf8_lossy(&output.stdout).into_owned(), String::from_utf8_lossy(&output.stderr).into_owned())
}

#[test]
fn the_test_calls_are_measured() {
    let page = folder("eval").join("report.html");
    let output = answerd(&[
        "eval",
        &audio("truth.csv"),
        "--grammar",
        "builtin:speech/voicemail",
        "--json",
        "--html",
        page.to_str().unwrap(),
    ]);
    let (json, errors) = told(&output);
    assert!(output.status.success(), "{errors}");
    assert_eq!(errors, "", "no progress is shown where no terminal is");
    let report: serde_json::Value = serde_json::from_str(&json).unwrap();
    let all = &report["all"];
    assert_eq!((&all["right"]["hits"], &all["right"]["of"]), (&3.into(), &3.into()), "{json}");
    assert_eq!(all["people_told_human"]["share"], 1.0);
    assert_eq!(all["auc"]["area"], 1.0);
    let beeps = &all["beeps"];
    assert_eq!((&beeps["recall"]["hits"], &beeps["false_beeps"]["count"]), (&1.into(), &0.into()), "{json}");
    assert!(beeps["onset_error_s"]["worst"].as_f64().unwrap() < 0.02);
    assert!(beeps["frequency_error_hz"]["worst"].as_f64().unwrap() < 5.0);
    assert!(beeps["told_after_end_s"]["worst"].as_f64().unwrap() < 0.2);
    assert!((report["speech_onset_error_s"]["worst"].as_f64().unwrap()) < 0.3);
    assert_eq!(report["by_source"].as_array().unwrap().len(), 3);
    assert_eq!(report["calls"].as_array().unwrap().len(), 3);
    let page = std::fs::read_to_string(page).unwrap();
    assert!(page.contains("<svg") && page.contains("voicemail"), "{page}");
}

#[test]
fn a_stressed_measurement_says_so_and_comes_out_the_same_twice() {
    let stressed = ["eval", &audio("truth.csv"), "--noise", "20", "--loss", "2", "--codec", "alaw"];
    let (once, twice) = (answerd(&stressed), answerd(&stressed));
    let text = told(&once).0;
    assert!(once.status.success() && once.stdout == twice.stdout, "{text}");
    for line in
        ["stress: white noise 20 dB under the sound", "stress: through A-law", "stress: 2 % of the packets lost"]
    {
        assert!(text.contains(line), "{text}");
    }
    assert_ne!(told(&answerd(&["eval", &audio("truth.csv")])).0, text);
}

#[test]
fn each_fold_is_decided_by_the_model_that_its_rows_name() {
    let folder = folder("eval-folds");
    let table = folder.join("truth.csv");
    let built_in = Path::new(env!("CARGO_MANIFEST_DIR")).join("models/answer.onnx");
    std::fs::create_dir(folder.join("models")).unwrap();
    std::fs::copy(built_in, folder.join("models/one.onnx")).unwrap();
    let write = |model: &str| {
        let (person, machine, sit) = (audio("person.wav"), audio("voicemail.wav"), audio("sit.wav"));
        let rows = format!("{person},human,one,models/one.onnx\n{machine},machine,two,{model}\n{sit},sit,two,\n");
        std::fs::write(&table, format!("file,label,fold,model\n{rows}")).unwrap();
    };
    let eval = |options: &[&str]| {
        let output = answerd(&[&["eval", table.to_str().unwrap()], options].concat());
        let (text, errors) = told(&output);
        (output.status.code(), text, errors)
    };
    write("");
    let (code, json, errors) = eval(&["--json"]);
    assert_eq!((code, errors.as_str()), (Some(0), ""));
    let report: serde_json::Value = serde_json::from_str(&json).unwrap();
    let folds = report["by_fold"].as_array().unwrap();
    let sizes: Vec<_> =
        folds.iter().map(|fold| (fold["name"].as_str(), fold["figures"]["right"]["of"].as_u64())).collect();
    assert_eq!(sizes, [(Some("one"), Some(1)), (Some("two"), Some(2))]);
    assert_eq!(report["settings"]["models"], serde_json::json!(["models/one.onnx"]));
    let worst: Vec<_> =
        report["worst_folds"].as_array().unwrap().iter().map(|worst| worst["fold"].as_str().unwrap()).collect();
    assert_eq!(worst, ["one", "two"]);
    let (_, text, _) = eval(&[]);
    assert!(text.contains("\nBy fold") && text.contains("\nworst fold, people told automated: one, 0.0 %"), "{text}");

    let (code, _, errors) = eval(&["--model", "x.onnx"]);
    assert_eq!((code, errors.contains("--model")), (Some(1), true), "{errors}");
    write("models/none.onnx");
    let (code, text, errors) = eval(&[]);
    assert_eq!((code, text.as_str()), (Some(1), ""));
    assert!(errors.contains("line 3: model: models/none.onnx: cannot read the model"), "{errors}");
    std::fs::write(folder.join("models/none.onnx"), "no model").unwrap();
    let (code, _, errors) = eval(&[]);
    assert!(code == Some(1) && errors.contains("models/none.onnx: cannot run the model"), "{errors}");
    assert_eq!(eval(&["--rules"]).0, Some(0), "rules need no model");
}

#[test]
fn others_are_measured_on_the_same_calls_and_charts_and_lines_are_written() {
    let folder = folder("eval-compared");
    let (plots, lines) = (folder.join("plots"), folder.join("calls.jsonl"));
    let truth = audio("truth.csv");
    let options = ["--plots", plots.to_str().unwrap(), "--calls", lines.to_str().unwrap()];
    let compared = |more: &[&str]| {
        let output = answerd(&[&["eval", &truth, "--baselines", "--jobs", "2"], more].concat());
        assert!(output.status.success(), "{}", told(&output).1);
        told(&output).0
    };
    let report: serde_json::Value =
        serde_json::from_str(&compared(&[&["--json", "--grammar", "builtin:speech/voicemail"], &options[..]].concat()))
            .unwrap();
    let of = |name: &str, figure: &str| {
        let each = report["comparison"].as_array().unwrap().iter().find(|each| each["name"] == name).unwrap();
        (each[figure]["hits"].as_u64().unwrap(), each[figure]["of"].as_u64().unwrap())
    };
    for ours in ["answerd, answer", "answerd, voicemail", "answerd without a model, voicemail"] {
        assert_eq!(of(ours, "people_told_human"), (1, 1), "{ours}");
    }
    assert_eq!(of("answerd, voicemail", "beep_recall"), (1, 1));
    assert_eq!(of("energy rules (app_amd)", "people_told_human"), (1, 1));
    assert_eq!(of("energy rules (app_amd)", "automated_told_automated"), (1, 1));
    assert_eq!(of("energy rules (app_amd)", "beep_recall"), (0, 0), "it tells no beeps");
    assert_eq!(of("DESA-2 (like mod_avmd)", "people_told_human"), (0, 0), "it does not tell who answered");
    assert_eq!(of("DESA-2 (like mod_avmd)", "beep_recall").1, 1);
    let aims = report["aims"].as_array().unwrap();
    let aim = |name: &str| aims.iter().find(|aim| aim["name"] == name).unwrap()["reached"].as_str().unwrap().to_owned();
    assert_eq!((aim("people told human"), aim("ivr told as ivr")), ("goal".to_owned(), "not_measured".to_owned()));
    assert_eq!(aim("beeps found"), "goal");

    for name in ["roc.svg", "reliability.svg", "decision-times.svg", "beep-errors.svg"] {
        let svg = std::fs::read_to_string(plots.join(name)).unwrap();
        assert!(svg.starts_with("<svg ") && svg.contains("3 calls"), "{name}: {svg}");
    }
    let lines = std::fs::read_to_string(lines).unwrap();
    let files = lines.lines().map(|line| serde_json::from_str::<serde_json::Value>(line).unwrap()["file"].clone());
    assert_eq!(files.collect::<Vec<_>>(), ["person.wav", "voicemail.wav", "sit.wav"]);

    let text = compared(&[]);
    for words in ["\nAgainst the aims\n", "\nCompared ", "energy rules (app_amd)", "within  1.00 s: people 100.0 %"] {
        assert!(text.contains(words), "{words}: {text}");
    }
}

#[test]
fn what_cannot_be_measured_is_said_and_the_rest_is_measured() {
    let folder = folder("eval-errors");
    let table = folder.join("truth.csv");
    let rows = format!("file,label\nmissing.wav,human\n{},human\ntext.wav,sit\n", audio("person.wav"));
    std::fs::write(&table, rows).unwrap();
    std::fs::write(folder.join("text.wav"), "no sound").unwrap();
    let output = answerd(&["eval", table.to_str().unwrap()]);
    let (text, errors) = told(&output);
    assert_eq!(output.status.code(), Some(1));
    assert!(errors.contains("line 2: missing.wav: cannot read"), "{errors}");
    assert!(errors.contains("line 4: text.wav: neither a WAV file nor a FLAC file"), "{errors}");
    assert!(text.contains("people told human: 100.0 %") && text.contains("not measured: line 4, text.wav"), "{text}");

    std::fs::write(&table, "file,label\na.wav,nobody\n").unwrap();
    let output = answerd(&["eval", table.to_str().unwrap()]);
    assert_eq!(output.status.code(), Some(1));
    assert!(told(&output).1.contains("truth.csv: line 2: label: \"nobody\" is none of human,"), "{}", told(&output).1);
}

#[test]
fn a_plot_is_written_in_the_form_that_its_name_says() {
    let folder = folder("plot");
    for (name, begins) in [("a.svg", "<svg "), ("a.png", "\u{89}PNG"), ("a.HTML", "<!DOCTYPE html>")] {
        let file = folder.join(name);
        let (to, from) = (file.to_str().unwrap(), audio("voicemail.wav"));
        let output = answerd(&["detect", "--grammar", "builtin:speech/voicemail", "--plot", to, &from]);
        assert!(output.status.success(), "{}", told(&output).1);
        let bytes = std::fs::read(&file).unwrap();
        let head: String = bytes.iter().take(20).map(|byte| char::from(*byte)).collect();
        assert!(head.starts_with(begins), "{name}: {head}");
    }
    let refused = |arguments: &[&str]| {
        let output = answerd(arguments);
        assert_eq!(output.status.code(), Some(1));
        told(&output).1
    };
    let (person, sit) = (audio("person.wav"), audio("sit.wav"));
    assert_eq!(refused(&["detect", "--plot", "x.svg", &person, &sit]), "answerd: --plot draws one recording, not 2\n");
    assert_eq!(
        refused(&["detect", "--plot", "x.jpg", &person]),
        "answerd: --plot: x.jpg ends neither in .svg nor in .png nor in .html\n"
    );
}
