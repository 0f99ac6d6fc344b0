//! Every completion cause of RFC 6787 section 9.4.11, and every status of section 5.4 that a recognizer gives.

use crate::session::Config;
use crate::session::mrcp::tests::page::{check, check_with};

#[test]
fn cause_000_success() {
    check(
        r#"
0.000 > RECOGNIZE 1   | builtin:speech/boolean
0.000 < 1 200 IN-PROGRESS
0.000 ! listen 1 answer accepts=human,machine,screening,ivr
1.000 * 1 decided human 0.9
1.000 < RECOGNITION-COMPLETE 1 COMPLETE   Completion-Cause: 000 success   Completion-Reason: "told"   Content-Type: application/nlsml+xml   | <?xml version="1.0"?><result xmlns="urn:ietf:params:xml:ns:mrcpv2" grammar="builtin:speech/boolean"><interpretation confidence="0.90"><instance>false</instance><input mode="speech" confidence="0.90">human</input></interpretation></result>
2.000 > DEFINE-GRAMMAR 2   Content-ID: a   | builtin:speech/boolean
2.000 < 2 200 COMPLETE   Completion-Cause: 000 success
"#,
    );
}

#[test]
fn cause_001_no_match() {
    check(
        r#"
0.000 > RECOGNIZE 1   | builtin:speech/boolean
0.000 < 1 200 IN-PROGRESS
0.000 ! listen 1 answer accepts=human,machine,screening,ivr
1.000 * 1 decided fax 0.9
1.000 < RECOGNITION-COMPLETE 1 COMPLETE   Completion-Cause: 001 no-match   Completion-Reason: "fax 0.90 is not in the grammar: told"
"#,
    );
}

#[test]
fn cause_002_no_input_timeout() {
    check(
        r#"
0.000 > RECOGNIZE 1   | builtin:speech/boolean
0.000 < 1 200 IN-PROGRESS
0.000 ! listen 1 answer accepts=human,machine,screening,ivr
5.000 * 1 no-input
5.000 < RECOGNITION-COMPLETE 1 COMPLETE   Completion-Cause: 002 no-input-timeout   Completion-Reason: "told"
"#,
    );
}

#[test]
fn cause_003_hotword_maxtime() {
    check(
        r#"
0.000 > RECOGNIZE 1   Recognition-Mode: hotword   | builtin:speech/beep
0.000 < 1 200 IN-PROGRESS
0.000 ! listen 1 beep hotword=0-60000
5.000 * 1 maxtime human 0.9
5.000 < RECOGNITION-COMPLETE 1 COMPLETE   Completion-Cause: 003 hotword-maxtime   Completion-Reason: "human 0.90 is not in the grammar: told"
"#,
    );
}

#[test]
fn cause_004_grammar_load_failure() {
    check(
        r#"
0.000 > RECOGNIZE 1   | builtin:speech/nothing
0.000 < 1 407 COMPLETE   Completion-Cause: 004 grammar-load-failure   Completion-Reason: "no builtin builtin:speech/nothing: there are builtin:speech/answer, builtin:speech/beep, builtin:speech/voicemail, builtin:speech/boolean"
"#,
    );
}

#[test]
fn cause_005_grammar_compilation_failure() {
    check(
        r#"
0.000 > RECOGNIZE 1   Content-Type: application/srgs+xml   Content-ID: a   | <grammar root="x"><rule id="r">human</rule></grammar>
0.000 < 1 407 COMPLETE   Completion-Cause: 005 grammar-compilation-failure   Completion-Reason: "SRGS: the root rule x is not defined"
0.000 > DEFINE-GRAMMAR 2   Content-Type: application/srgs+xml   Content-ID: a   | <grammar
0.000 < 2 407 COMPLETE   Completion-Cause: 005 grammar-compilation-failure   Completion-Reason: "XML: syntax error: tag not closed: `>` not found before end of input (at octet 0)"
"#,
    );
}

#[test]
fn cause_006_recognizer_error() {
    check(
        r#"
0.000 > RECOGNIZE 1   | builtin:speech/boolean
0.000 < 1 200 IN-PROGRESS
0.000 ! listen 1 answer accepts=human,machine,screening,ivr
1.000 # media-failure
1.000 ! unlisten 1
1.000 < RECOGNITION-COMPLETE 1 COMPLETE   Completion-Cause: 006 recognizer-error   Completion-Reason: "the sound can't be listened to"
2.000 > RECOGNIZE 2   No-Input-Timeout: never   | builtin:speech/boolean
2.000 < 2 404 COMPLETE   Completion-Cause: 006 recognizer-error   No-Input-Timeout: never
"#,
    );
}

#[test]
fn cause_007_speech_too_early() {
    check(
        r#"
0.000 > RECOGNIZE 1   Vendor-Specific-Parameters: speech-too-early=true   | builtin:speech/boolean
0.000 < 1 200 IN-PROGRESS
0.000 ! listen 1 answer accepts=human,machine,screening,ivr too-early=true
0.500 * 1 too-early human 0.9
0.500 < RECOGNITION-COMPLETE 1 COMPLETE   Completion-Cause: 007 speech-too-early   Completion-Reason: "told"
1.000 > RECOGNIZE 2   | builtin:speech/boolean
1.000 < 2 200 IN-PROGRESS
1.000 ! listen 2 answer accepts=human,machine,screening,ivr
2.000 > STOP 3
2.000 ! unlisten 2
2.000 < 3 200 COMPLETE   Active-Request-Id-List: 2
"#,
    );
    check_with(
        Config { speech_too_early: true, ..Config::default() },
        r#"
0.000 > RECOGNIZE 1   | builtin:speech/boolean
0.000 < 1 200 IN-PROGRESS
0.000 ! listen 1 answer accepts=human,machine,screening,ivr too-early=true
0.500 > STOP 2
0.500 ! unlisten 1
0.500 < 2 200 COMPLETE   Active-Request-Id-List: 1
1.000 > RECOGNIZE 3   Vendor-Specific-Parameters: speech-too-early=false   | builtin:speech/boolean
1.000 < 3 200 IN-PROGRESS
1.000 ! listen 2 answer accepts=human,machine,screening,ivr
"#,
    );
}

#[test]
fn cause_008_success_maxtime() {
    check(
        r#"
0.000 > RECOGNIZE 1   | builtin:speech/boolean
0.000 < 1 200 IN-PROGRESS
0.000 ! listen 1 answer accepts=human,machine,screening,ivr
9.000 * 1 maxtime machine 0.9
9.000 < RECOGNITION-COMPLETE 1 COMPLETE   Completion-Cause: 008 success-maxtime   Completion-Reason: "told"   Content-Type: application/nlsml+xml   | <?xml version="1.0"?><result xmlns="urn:ietf:params:xml:ns:mrcpv2" grammar="builtin:speech/boolean"><interpretation confidence="0.90"><instance>true</instance><input mode="speech" confidence="0.90">machine</input></interpretation></result>
"#,
    );
}

#[test]
fn cause_009_uri_failure() {
    check(
        r#"
0.000 > RECOGNIZE 1   | http://h/g.grxml
0.000 ! fetch 1 grammar http://h/g.grxml timeout=5000
0.100 # failed 1 404
0.100 < 1 407 COMPLETE   Completion-Cause: 009 uri-failure   Completion-Reason: "it says 404"   Failed-URI: http://h/g.grxml   Failed-URI-Cause: 404
"#,
    );
}

#[test]
fn cause_010_language_unsupported() {
    check_with(
        Config { languages: vec!["en".to_owned()], ..Config::default() },
        r#"
0.000 > RECOGNIZE 1   Speech-Language: de-CH   | builtin:speech/boolean
0.000 < 1 407 COMPLETE   Completion-Cause: 010 language-unsupported   Completion-Reason: "the language de-CH is not served: en"
0.000 > RECOGNIZE 2   Speech-Language: en-GB   | builtin:speech/boolean
0.000 < 2 200 IN-PROGRESS
0.000 ! listen 1 answer accepts=human,machine,screening,ivr
0.100 > STOP 3
0.100 ! unlisten 1
0.100 < 3 200 COMPLETE   Active-Request-Id-List: 2
0.200 > DEFINE-GRAMMAR 4   Content-ID: a   Content-Type: application/srgs+xml   | <grammar xml:lang="fr" root="r"><rule id="r">human</rule></grammar>
0.200 < 4 407 COMPLETE   Completion-Cause: 010 language-unsupported   Completion-Reason: "the language fr is not served: en"
0.300 > DEFINE-GRAMMAR 5   Content-ID: a   Speech-Language: fr   Content-Type: application/srgs+xml   | <grammar xml:lang="en-US" root="r"><rule id="r">human</rule></grammar>
0.300 < 5 200 COMPLETE   Completion-Cause: 000 success
0.400 > INTERPRET 6   Interpret-Text: human   Content-Type: application/srgs+xml   | <grammar xml:lang="fr" root="r"><rule id="r">human</rule></grammar>
0.400 < 6 407 COMPLETE   Completion-Cause: 010 language-unsupported   Completion-Reason: "the language fr is not served: en"
0.500 > SET-PARAMS 7   Speech-Language: fr
0.500 < 7 409 COMPLETE   Speech-Language: fr
0.600 > RECOGNIZE 8   Speech-Language: fr   Content-Type: application/srgs+xml   | <grammar mode="dtmf" root="r"><rule id="r">1</rule></grammar>
0.600 < 8 200 IN-PROGRESS
0.600 ! listen 2 answer speech=false
"#,
    );
}

#[test]
fn cause_011_cancelled() {
    check(
        r#"
0.000 > RECOGNIZE 1   Cancel-If-Queue: true   | builtin:speech/boolean
0.000 < 1 200 IN-PROGRESS
0.000 ! listen 1 answer accepts=human,machine,screening,ivr
1.000 > RECOGNIZE 2   Cancel-If-Queue: false   | builtin:speech/boolean
1.000 ! unlisten 1
1.000 < RECOGNITION-COMPLETE 1 COMPLETE   Completion-Cause: 011 cancelled   Completion-Reason: "cancelled by RECOGNIZE 2"
1.000 < 2 200 IN-PROGRESS   Active-Request-Id-List: 1
1.000 ! listen 2 answer accepts=human,machine,screening,ivr
1.100 > RECOGNIZE 3   Cancel-If-Queue: false   | builtin:speech/boolean
1.100 < 3 200 PENDING
6.000 * 2 no-input
6.000 < RECOGNITION-COMPLETE 2 COMPLETE   Completion-Cause: 002 no-input-timeout   Completion-Reason: "told"
6.000 < RECOGNITION-COMPLETE 3 COMPLETE   Completion-Cause: 011 cancelled   Completion-Reason: "a RECOGNIZE before this one failed"
"#,
    );
}

#[test]
fn cause_012_semantics_failure() {
    check(
        r#"
0.000 > RECOGNIZE 1   Content-Type: application/srgs+xml   | <grammar root="r" tag-format="semantics/1.0"><rule id="r">human<tag>out = nothing.at.all;</tag></rule></grammar>
0.000 < 1 200 IN-PROGRESS
0.000 ! listen 1 answer accepts=human
1.000 * 1 decided human 0.9
1.000 < RECOGNITION-COMPLETE 1 COMPLETE   Completion-Cause: 012 semantics-failure   Completion-Reason: "semantics: ReferenceError: nothing is not defined"   Content-Type: application/nlsml+xml   | <?xml version="1.0"?><result xmlns="urn:ietf:params:xml:ns:mrcpv2" grammar="inline"><interpretation confidence="0.90"><input mode="speech" confidence="0.90">human</input></interpretation></result>
2.000 > RECOGNIZE 2   Content-Type: application/srgs+xml   | <grammar mode="dtmf" root="r" tag-format="semantics/1.0"><rule id="r">1 2<tag>out = nothing.at.all;</tag></rule></grammar>
2.000 < 2 200 IN-PROGRESS
2.000 ! listen 2 answer speech=false
3.000 * key 12
3.000 ! unlisten 2
3.000 < START-OF-INPUT 2 IN-PROGRESS   Input-Type: dtmf   Proxy-Sync-Id: f00d-2
3.000 < RECOGNITION-COMPLETE 2 COMPLETE   Completion-Cause: 012 semantics-failure   Completion-Reason: "semantics: ReferenceError: nothing is not defined"   Content-Type: application/nlsml+xml   | <?xml version="1.0"?><result xmlns="urn:ietf:params:xml:ns:mrcpv2" grammar="inline"><interpretation confidence="1.00"><input mode="dtmf" confidence="1.00">1 2</input></interpretation></result>
4.000 > INTERPRET 3   Interpret-Text: human   Content-Type: application/srgs+xml   Accept: application/json   | <grammar root="r" tag-format="semantics/1.0"><rule id="r">human<tag>out = nothing.at.all;</tag></rule></grammar>
4.000 < 3 200 IN-PROGRESS
4.000 < INTERPRETATION-COMPLETE 3 COMPLETE   Completion-Cause: 012 semantics-failure   Completion-Reason: "semantics: ReferenceError: nothing is not defined"   Content-Type: application/json   | {"value":null,"input":"human","grammar":"inline"}
"#,
    );
}

#[test]
fn cause_013_partial_match() {
    check(
        r#"
0.000 > RECOGNIZE 1   Content-Type: application/srgs+xml   | <grammar mode="dtmf" root="r"><rule id="r">1 2</rule></grammar>
0.000 < 1 200 IN-PROGRESS
0.000 ! listen 1 answer speech=false
1.000 * key 1
1.000 ! unlisten 1
1.000 < START-OF-INPUT 1 IN-PROGRESS   Input-Type: dtmf   Proxy-Sync-Id: f00d-1
6.000 < RECOGNITION-COMPLETE 1 COMPLETE   Completion-Cause: 013 partial-match   Completion-Reason: "keys 1 begin a match, and no more came"
7.000 # wait
"#,
    );
}

#[test]
fn cause_014_partial_match_maxtime() {
    check(
        r#"
0.000 > RECOGNIZE 1   Recognition-Timeout: 2000   Content-Type: application/srgs+xml   | <grammar mode="dtmf" root="r"><rule id="r">1 2</rule></grammar>
0.000 < 1 200 IN-PROGRESS
0.000 ! listen 1 answer speech=false recognition=2000
1.000 * key 1
1.000 ! unlisten 1
1.000 < START-OF-INPUT 1 IN-PROGRESS   Input-Type: dtmf   Proxy-Sync-Id: f00d-1
3.000 < RECOGNITION-COMPLETE 1 COMPLETE   Completion-Cause: 014 partial-match-maxtime   Completion-Reason: "keys 1 begin a match, and no more came"
7.000 # wait
"#,
    );
}

#[test]
fn cause_015_no_match_maxtime() {
    check(
        r#"
0.000 > RECOGNIZE 1   | builtin:speech/boolean
0.000 < 1 200 IN-PROGRESS
0.000 ! listen 1 answer accepts=human,machine,screening,ivr
9.000 * 1 maxtime fax 0.9
9.000 < RECOGNITION-COMPLETE 1 COMPLETE   Completion-Cause: 015 no-match-maxtime   Completion-Reason: "fax 0.90 is not in the grammar: told"
"#,
    );
}

#[test]
fn cause_016_grammar_definition_failure() {
    check_with(
        Config { max_grammars: 1, ..Config::default() },
        r#"
0.000 > DEFINE-GRAMMAR 1   Content-ID: a   | builtin:speech/boolean
0.000 < 1 200 COMPLETE   Completion-Cause: 000 success
0.000 > DEFINE-GRAMMAR 2   Content-ID: b   | builtin:speech/boolean
0.000 < 2 407 COMPLETE   Completion-Cause: 016 grammar-definition-failure   Completion-Reason: "the session has 1 grammars already"
0.000 > RECOGNIZE 3   Content-ID: c   Content-Type: application/srgs+xml   | <grammar root="r"><rule id="r">human</rule></grammar>
0.000 < 3 407 COMPLETE   Completion-Cause: 016 grammar-definition-failure   Completion-Reason: "the session has 1 grammars already"
"#,
    );
}

#[test]
fn statuses() {
    check_with(
        Config { max_queued: 0, ..Config::default() },
        r#"
0.000 > SET-PARAMS 1   No-Input-Timeout: 1000
0.000 < 1 200 COMPLETE
0.000 > SET-PARAMS 2   No-Input-Timeout: 1000   Active-Request-Id-List: 1
0.000 < 2 201 COMPLETE
0.000 > SPEAK 3
0.000 < 3 401 COMPLETE
0.000 > START-PHRASE-ENROLLMENT 4
0.000 < 4 401 COMPLETE
0.000 > ENROLLMENT-ROLLBACK 5
0.000 < 5 401 COMPLETE
0.000 > END-PHRASE-ENROLLMENT 6
0.000 < 6 401 COMPLETE
0.000 > MODIFY-PHRASE 7
0.000 < 7 401 COMPLETE
0.000 > DELETE-PHRASE 8
0.000 < 8 401 COMPLETE
0.000 > GET-RESULT 9
0.000 < 9 402 COMPLETE
0.000 > SET-PARAMS 10   X-Unknown: 1
0.000 < 10 403 COMPLETE   X-Unknown: 1
0.000 > SET-PARAMS 11   No-Input-Timeout: x
0.000 < 11 404 COMPLETE   No-Input-Timeout: x
0.000 > RECOGNIZE 12
0.000 < 12 406 COMPLETE   Completion-Cause: 006 recognizer-error   Completion-Reason: "no Content-Type"
0.000 > RECOGNIZE 13   | builtin:speech/nothing
0.000 < 13 407 COMPLETE   Completion-Cause: 004 grammar-load-failure   Completion-Reason: "no builtin builtin:speech/nothing: there are builtin:speech/answer, builtin:speech/beep, builtin:speech/voicemail, builtin:speech/boolean"
0.000 > RECOGNIZE 14   Content-Type: image/png   | x
0.000 < 14 408 COMPLETE   Completion-Cause: 004 grammar-load-failure   Completion-Reason: "a grammar can't be image/png: text/uri-list, text/grammar-ref-list, application/srgs+xml and application/srgs can"
0.000 > SET-PARAMS 15   Media-Type: audio/mpeg
0.000 < 15 409 COMPLETE   Media-Type: audio/mpeg
0.000 > SET-PARAMS 15   No-Input-Timeout: 1000
0.000 < 15 410 COMPLETE
0.000 # remove-channel
0.000 > SET-PARAMS 16   No-Input-Timeout: 1000
0.000 < 16 405 COMPLETE
"#,
    );
}
