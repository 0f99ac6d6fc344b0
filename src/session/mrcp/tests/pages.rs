//! The recognizer's behaviour, page by page.

use crate::session::Config;
use crate::session::mrcp::tests::page::{check, check_with};

#[test]
fn a_person_answers() {
    check(
        r#"
0.000 > RECOGNIZE 1   Cancel-If-Queue: false   No-Input-Timeout: 5000   | builtin:speech/answer
0.000 < 1 200 IN-PROGRESS
0.000 ! listen 1 answer
1.000 * 1 started speech
1.000 < START-OF-INPUT 1 IN-PROGRESS   Input-Type: speech   Proxy-Sync-Id: f00d-1
2.100 * 1 decided human 0.93 machine 0.05
2.100 < RECOGNITION-COMPLETE 1 COMPLETE   Completion-Cause: 000 success   Completion-Reason: "told"   Content-Type: application/nlsml+xml   | <?xml version="1.0"?><result xmlns="urn:ietf:params:xml:ns:mrcpv2" grammar="builtin:speech/answer"><interpretation confidence="0.93"><instance>human<answer xmlns="urn:answerd:result"><label>human</label><confidence>0.93</confidence><reason>told</reason><method>rules</method><decided_at_s>2.1</decided_at_s></answer></instance><input mode="speech" confidence="0.93">human</input></interpretation></result>
2.200 > STOP 2
2.200 < 2 200 COMPLETE
"#,
    );
}

#[test]
fn json_and_n_best_when_asked() {
    check(
        r#"
0.000 > RECOGNIZE 1   N-Best-List-Length: 3   Confidence-Threshold: 0.04   | builtin:speech/answer?result-format=json
0.000 < 1 200 IN-PROGRESS
0.000 ! listen 1 answer threshold=0.04
2.100 * 1 decided human 0.93 machine 0.05 beep 0.045 sit 0.01
2.100 < RECOGNITION-COMPLETE 1 COMPLETE   Completion-Cause: 000 success   Completion-Reason: "told"   Content-Type: application/json   | {"value":"human","label":"human","confidence":0.93,"grammar":"builtin:speech/answer?result-format=json","reason":"told","method":"rules","decided_at_s":2.1,"speech_on_s":null,"greeting_end_s":null,"beep":null,"speak_at_s":null,"alternatives":[{"value":"machine","label":"machine","confidence":0.05,"grammar":"builtin:speech/answer?result-format=json"}]}
3.000 > RECOGNIZE 2   N-Best-List-Length: 2   Confidence-Threshold: 0.0   Vendor-Specific-Parameters: result-format=json;result-detail=false   | builtin:speech/answer
3.000 < 2 200 IN-PROGRESS
3.000 ! listen 2 answer threshold=0
4.000 * 2 decided human 0.7 machine 0.2 fax 0.1
4.000 < RECOGNITION-COMPLETE 2 COMPLETE   Completion-Cause: 000 success   Completion-Reason: "told"   Content-Type: application/json   | {"value":"human","label":"human","confidence":0.7,"grammar":"builtin:speech/answer","alternatives":[{"value":"machine","label":"machine","confidence":0.2,"grammar":"builtin:speech/answer"}]}
5.000 > RECOGNIZE 3   Accept: application/json;q=1, application/nlsml+xml;q=0.5   | builtin:speech/boolean
5.000 < 3 200 IN-PROGRESS
5.000 ! listen 3 answer accepts=human,machine,screening,ivr
6.000 * 3 decided machine 0.8
6.000 < RECOGNITION-COMPLETE 3 COMPLETE   Completion-Cause: 000 success   Completion-Reason: "told"   Content-Type: application/json   | {"value":"true","label":"machine","confidence":0.8,"grammar":"builtin:speech/boolean"}
"#,
    );
}

#[test]
fn a_label_that_is_unlikely_or_not_in_the_grammar_is_no_match() {
    check(
        r#"
0.000 > RECOGNIZE 1   Confidence-Threshold: 0.8   | builtin:speech/answer
0.000 < 1 200 IN-PROGRESS
0.000 ! listen 1 answer threshold=0.8
1.000 * 1 started speech
1.000 < START-OF-INPUT 1 IN-PROGRESS   Input-Type: speech   Proxy-Sync-Id: f00d-1
2.000 * 1 decided human 0.6
2.000 < RECOGNITION-COMPLETE 1 COMPLETE   Completion-Cause: 001 no-match   Completion-Reason: "human 0.60 is below Confidence-Threshold 0.8: told"
3.000 > RECOGNIZE 2   | builtin:speech/boolean
3.000 < 2 200 IN-PROGRESS
3.000 ! listen 2 answer accepts=human,machine,screening,ivr
4.000 * 2 decided fax 0.9 human 0.08
4.000 < RECOGNITION-COMPLETE 2 COMPLETE   Completion-Cause: 001 no-match   Completion-Reason: "fax 0.90 is not in the grammar: told"
5.000 > RECOGNIZE 3   | builtin:speech/answer
5.000 < 3 200 IN-PROGRESS
5.000 ! listen 3 answer
6.000 * 3 decided unknown 0.3 human 0.3
6.000 < RECOGNITION-COMPLETE 3 COMPLETE   Completion-Cause: 001 no-match   Completion-Reason: "human 0.30 is below Confidence-Threshold 0.5: told"
7.000 > RECOGNIZE 4   Content-Type: application/srgs+xml   | <grammar root="r"><rule id="r"><one-of><item>human</item><item>unknown<tag>?</tag></item></one-of></rule></grammar>
7.000 < 4 200 IN-PROGRESS
7.000 ! listen 4 answer accepts=human,unknown
8.000 * 4 decided unknown 0.3 machine 0.3
8.000 < RECOGNITION-COMPLETE 4 COMPLETE   Completion-Cause: 000 success   Completion-Reason: "told"   Content-Type: application/nlsml+xml   | <?xml version="1.0"?><result xmlns="urn:ietf:params:xml:ns:mrcpv2" grammar="inline"><interpretation confidence="0.30"><instance>?</instance><input mode="speech" confidence="0.30">unknown</input></interpretation></result>
"#,
    );
}

#[test]
fn no_input_timeout() {
    check(
        r#"
0.000 > RECOGNIZE 7   No-Input-Timeout: 3000   | builtin:speech/answer
0.000 < 7 200 IN-PROGRESS
0.000 ! listen 1 answer no-input=3000
3.000 * 1 no-input
3.000 < RECOGNITION-COMPLETE 7 COMPLETE   Completion-Cause: 002 no-input-timeout   Completion-Reason: "told"
"#,
    );
}

#[test]
fn recognition_timeout_with_and_without_a_match() {
    check(
        r#"
0.000 > RECOGNIZE 1   Recognition-Timeout: 4000   | builtin:speech/answer
0.000 < 1 200 IN-PROGRESS
0.000 ! listen 1 answer recognition=4000
1.000 * 1 started speech
1.000 < START-OF-INPUT 1 IN-PROGRESS   Input-Type: speech   Proxy-Sync-Id: f00d-1
5.000 * 1 maxtime machine 0.7
5.000 < RECOGNITION-COMPLETE 1 COMPLETE   Completion-Cause: 008 success-maxtime   Completion-Reason: "told"   Content-Type: application/nlsml+xml   | <?xml version="1.0"?><result xmlns="urn:ietf:params:xml:ns:mrcpv2" grammar="builtin:speech/answer"><interpretation confidence="0.70"><instance>machine<answer xmlns="urn:answerd:result"><label>machine</label><confidence>0.70</confidence><reason>told</reason><method>rules</method><decided_at_s>5</decided_at_s></answer></instance><input mode="speech" confidence="0.70">machine</input></interpretation></result>
6.000 > RECOGNIZE 2   Recognition-Timeout: 4000   | builtin:speech/answer
6.000 < 2 200 IN-PROGRESS
6.000 ! listen 2 answer recognition=4000
7.000 * 2 started speech
7.000 < START-OF-INPUT 2 IN-PROGRESS   Input-Type: speech   Proxy-Sync-Id: f00d-2
9.000 * 2 maxtime machine 0.4
9.000 < RECOGNITION-COMPLETE 2 COMPLETE   Completion-Cause: 015 no-match-maxtime   Completion-Reason: "machine 0.40 is below Confidence-Threshold 0.5: told"
"#,
    );
}

#[test]
fn hotword_mode_has_no_start_of_input() {
    check(
        r#"
0.000 > RECOGNIZE 1   Recognition-Mode: hotword   Hotword-Min-Duration: 150   Hotword-Max-Duration: 2000   | builtin:speech/beep
0.000 < 1 200 IN-PROGRESS
0.000 ! listen 1 beep hotword=150-2000
1.000 * 1 started speech
9.000 * 1 decided beep 0.9
9.000 < RECOGNITION-COMPLETE 1 COMPLETE   Completion-Cause: 000 success   Completion-Reason: "told"   Content-Type: application/nlsml+xml   | <?xml version="1.0"?><result xmlns="urn:ietf:params:xml:ns:mrcpv2" grammar="builtin:speech/beep"><interpretation confidence="0.90"><instance>beep<answer xmlns="urn:answerd:result"><label>beep</label><confidence>0.90</confidence><reason>told</reason><method>rules</method><decided_at_s>9</decided_at_s></answer></instance><input mode="speech" confidence="0.90">beep</input></interpretation></result>
10.000 > RECOGNIZE 2   Recognition-Mode: hotword   | builtin:speech/beep
10.000 < 2 200 IN-PROGRESS
10.000 ! listen 2 beep hotword=0-60000
12.000 * 2 maxtime unknown 0.0
12.000 < RECOGNITION-COMPLETE 2 COMPLETE   Completion-Cause: 003 hotword-maxtime   Completion-Reason: "told"
13.000 > RECOGNIZE 3   Recognition-Mode: hotword   Hotword-Min-Duration: 3000   Hotword-Max-Duration: 2000   | builtin:speech/beep
13.000 < 3 404 COMPLETE   Completion-Cause: 006 recognizer-error   Hotword-Min-Duration: 3000   Hotword-Max-Duration: 2000
14.000 > RECOGNIZE 4   Recognition-Mode: normal   Hotword-Min-Duration: 3000   Hotword-Max-Duration: 2000   | builtin:speech/beep
14.000 < 4 200 IN-PROGRESS
14.000 ! listen 3 beep
15.000 * 3 maxtime beep 0.6
15.000 < RECOGNITION-COMPLETE 4 COMPLETE   Completion-Cause: 008 success-maxtime   Completion-Reason: "told"   Content-Type: application/nlsml+xml   | <?xml version="1.0"?><result xmlns="urn:ietf:params:xml:ns:mrcpv2" grammar="builtin:speech/beep"><interpretation confidence="0.60"><instance>beep<answer xmlns="urn:answerd:result"><label>beep</label><confidence>0.60</confidence><reason>told</reason><method>rules</method><decided_at_s>15</decided_at_s></answer></instance><input mode="speech" confidence="0.60">beep</input></interpretation></result>
"#,
    );
}

#[test]
fn the_timers_of_a_prompt() {
    check(
        r#"
0.000 > RECOGNIZE 1   Start-Input-Timers: false   | builtin:speech/answer
0.000 < 1 200 IN-PROGRESS
0.000 ! listen 1 answer timers=false
2.000 > START-INPUT-TIMERS 2
2.000 ! start-input-timers 1
2.000 < 2 200 COMPLETE   Active-Request-Id-List: 1
2.100 > START-INPUT-TIMERS 3
2.100 < 3 200 COMPLETE
7.000 * 1 no-input
7.000 < RECOGNITION-COMPLETE 1 COMPLETE   Completion-Cause: 002 no-input-timeout   Completion-Reason: "told"
7.001 > START-INPUT-TIMERS 4
7.001 < 4 200 COMPLETE
"#,
    );
}

#[test]
fn stop() {
    check(
        r#"
0.000 > STOP 1
0.000 < 1 200 COMPLETE
1.000 > RECOGNIZE 2   Cancel-If-Queue: false   | builtin:speech/answer
1.000 < 2 200 IN-PROGRESS
1.000 ! listen 1 answer
1.500 > STOP 3   Active-Request-Id-List: 9
1.500 < 3 200 COMPLETE
2.000 > STOP 4   Active-Request-Id-List: 2
2.000 ! unlisten 1
2.000 < 4 200 COMPLETE   Active-Request-Id-List: 2
2.100 * 1 decided human 0.9
3.000 > STOP 5
3.000 < 5 200 COMPLETE
4.000 > STOP 6   Active-Request-Id-List: x
4.000 < 6 404 COMPLETE   Active-Request-Id-List: x
"#,
    );
}

#[test]
fn a_second_recognize_waits() {
    check(
        r#"
0.000 > RECOGNIZE 1   Cancel-If-Queue: false   | builtin:speech/answer
0.000 < 1 200 IN-PROGRESS
0.000 ! listen 1 answer
0.100 > RECOGNIZE 2   Cancel-If-Queue: false   | builtin:speech/beep
0.100 < 2 200 PENDING
0.200 > RECOGNIZE 3   Cancel-If-Queue: false   | builtin:speech/voicemail
0.200 < 3 200 PENDING
0.300 > RECOGNIZE 4   Cancel-If-Queue: false   | builtin:speech/boolean
0.300 < 4 200 PENDING
1.000 * 1 decided machine 0.9
1.000 < RECOGNITION-COMPLETE 1 COMPLETE   Completion-Cause: 000 success   Completion-Reason: "told"   Content-Type: application/nlsml+xml   | <?xml version="1.0"?><result xmlns="urn:ietf:params:xml:ns:mrcpv2" grammar="builtin:speech/answer"><interpretation confidence="0.90"><instance>machine<answer xmlns="urn:answerd:result"><label>machine</label><confidence>0.90</confidence><reason>told</reason><method>rules</method><decided_at_s>1</decided_at_s></answer></instance><input mode="speech" confidence="0.90">machine</input></interpretation></result>
1.000 ! listen 2 beep
2.000 > STOP 5   Active-Request-Id-List: 2,4
2.000 ! unlisten 2
2.000 < 5 200 COMPLETE   Active-Request-Id-List: 2,4
2.000 ! listen 3 voicemail
3.000 > RECOGNIZE 6   Cancel-If-Queue: false   | builtin:speech/boolean
3.000 < 6 200 PENDING
4.000 * 3 decided unknown 0.1
4.000 < RECOGNITION-COMPLETE 3 COMPLETE   Completion-Cause: 001 no-match   Completion-Reason: "told"
4.000 < RECOGNITION-COMPLETE 6 COMPLETE   Completion-Cause: 011 cancelled   Completion-Reason: "a RECOGNIZE before this one failed"
"#,
    );
}

#[test]
fn the_queue_is_bounded() {
    check_with(
        Config { max_queued: 1, ..Config::default() },
        r#"
0.000 > RECOGNIZE 1   | builtin:speech/answer
0.000 < 1 200 IN-PROGRESS
0.000 ! listen 1 answer
0.100 > RECOGNIZE 2   | builtin:speech/answer
0.100 < 2 200 PENDING
0.200 > RECOGNIZE 3   | builtin:speech/answer
0.200 < 3 402 COMPLETE   Completion-Cause: 006 recognizer-error   Completion-Reason: "too many requests are pending"
0.300 > STOP 4
0.300 ! unlisten 1
0.300 < 4 200 COMPLETE   Active-Request-Id-List: 1,2
"#,
    );
}

#[test]
fn a_second_recognize_cancels_where_that_is_asked() {
    check(
        r#"
0.000 > RECOGNIZE 1   Cancel-If-Queue: true   | builtin:speech/answer
0.000 < 1 200 IN-PROGRESS
0.000 ! listen 1 answer
0.500 > RECOGNIZE 2   Cancel-If-Queue: true   | builtin:speech/nothing
0.500 < 2 407 COMPLETE   Completion-Cause: 004 grammar-load-failure   Completion-Reason: "no builtin builtin:speech/nothing: there are builtin:speech/answer, builtin:speech/beep, builtin:speech/voicemail, builtin:speech/boolean"
1.000 > RECOGNIZE 3   Cancel-If-Queue: false   | builtin:speech/beep
1.000 ! unlisten 1
1.000 < RECOGNITION-COMPLETE 1 COMPLETE   Completion-Cause: 011 cancelled   Completion-Reason: "cancelled by RECOGNIZE 3"
1.000 < 3 200 IN-PROGRESS   Active-Request-Id-List: 1
1.000 ! listen 2 beep
1.100 * 1 decided human 0.9
1.200 * 2 decided beep 0.9
1.200 < RECOGNITION-COMPLETE 3 COMPLETE   Completion-Cause: 000 success   Completion-Reason: "told"   Content-Type: application/nlsml+xml   | <?xml version="1.0"?><result xmlns="urn:ietf:params:xml:ns:mrcpv2" grammar="builtin:speech/beep"><interpretation confidence="0.90"><instance>beep<answer xmlns="urn:answerd:result"><label>beep</label><confidence>0.90</confidence><reason>told</reason><method>rules</method><decided_at_s>1.2</decided_at_s></answer></instance><input mode="speech" confidence="0.90">beep</input></interpretation></result>
"#,
    );
}

#[test]
fn grammars_that_can_not_be_used() {
    check(
        r#"
0.000 > RECOGNIZE 1   | builtin:speech/digits
0.000 < 1 407 COMPLETE   Completion-Cause: 004 grammar-load-failure   Completion-Reason: "no builtin builtin:speech/digits: there are builtin:speech/answer, builtin:speech/beep, builtin:speech/voicemail, builtin:speech/boolean"
0.000 > RECOGNIZE 2   | http://127.0.0.1:1/g.grxml
0.000 ! fetch 1 grammar http://127.0.0.1:1/g.grxml timeout=5000
0.000 # failed 1 unreachable
0.000 < 2 407 COMPLETE   Completion-Cause: 009 uri-failure   Completion-Reason: "it says unreachable"   Failed-URI: http://127.0.0.1:1/g.grxml   Failed-URI-Cause: unreachable
0.000 > RECOGNIZE 3   | session:foo
0.000 < 3 407 COMPLETE   Completion-Cause: 004 grammar-load-failure   Completion-Reason: "no grammar session:foo was defined in this session"   Failed-URI: session:foo   Failed-URI-Cause: not-found
0.000 > RECOGNIZE 4   Content-Type: application/srgs+xml   Content-ID: a   | <grammar root="x"><rule id="r">human</rule></grammar>
0.000 < 4 407 COMPLETE   Completion-Cause: 005 grammar-compilation-failure   Completion-Reason: "SRGS: the root rule x is not defined"
0.000 > RECOGNIZE 5   Content-Type: application/srgs   | #ABNF 1.0;
0.000 < 5 407 COMPLETE   Completion-Cause: 005 grammar-compilation-failure   Completion-Reason: "SRGS: a grammar without rules"
0.000 > RECOGNIZE 6   Content-Type: image/png   | x
0.000 < 6 408 COMPLETE   Completion-Cause: 004 grammar-load-failure   Completion-Reason: "a grammar can't be image/png: text/uri-list, text/grammar-ref-list, application/srgs+xml and application/srgs can"
0.000 > RECOGNIZE 7   Content-Type: nonsense   | x
0.000 < 7 404 COMPLETE   Completion-Cause: 006 recognizer-error   Content-Type: nonsense
0.000 > RECOGNIZE 8   Content-Encoding: gzip   | builtin:speech/answer
0.000 < 8 409 COMPLETE   Completion-Cause: 006 recognizer-error   Content-Encoding: gzip
0.000 > RECOGNIZE 9
0.000 < 9 406 COMPLETE   Completion-Cause: 006 recognizer-error   Completion-Reason: "no Content-Type"
0.000 > RECOGNIZE 10   Content-Type: text/uri-list
0.000 < 10 407 COMPLETE   Completion-Cause: 004 grammar-load-failure   Completion-Reason: "the body names no grammar"
0.000 > DEFINE-GRAMMAR 11   Content-ID: a   Content-Type: application/x-jsgf   | #JSGF V1.0;
0.000 < 11 407 COMPLETE   Completion-Cause: 004 grammar-load-failure   Completion-Reason: "grammars in application/x-jsgf are not supported: SRGS is, in XML and in ABNF"
0.000 > DEFINE-GRAMMAR 12   Content-ID: a   | builtin:dtmf/answer
0.000 < 12 407 COMPLETE   Completion-Cause: 004 grammar-load-failure   Completion-Reason: "no builtin builtin:dtmf/answer: there are builtin:dtmf/boolean, builtin:dtmf/currency, builtin:dtmf/date, builtin:dtmf/digits, builtin:dtmf/number, builtin:dtmf/phone, builtin:dtmf/time"
0.000 > DEFINE-GRAMMAR 13   Content-Type: application/srgs+xml   | <grammar root="r"><rule id="r">human</rule></grammar>
0.000 < 13 406 COMPLETE   Completion-Cause: 016 grammar-definition-failure   Completion-Reason: "no Content-ID"
0.000 > DEFINE-GRAMMAR 14
0.000 < 14 406 COMPLETE   Completion-Cause: 016 grammar-definition-failure   Completion-Reason: "no Content-ID"
"#,
    );
}

#[test]
fn grammars_of_the_session() {
    check(
        r#"
0.000 > DEFINE-GRAMMAR 1   Content-ID: <own@store>   Content-Type: application/srgs+xml   | <grammar root="r" tag-format="semantics/1.0-literals"><rule id="r"><one-of><item>human<tag>1</tag></item><item>machine<tag>2</tag></item></one-of></rule></grammar>
0.000 < 1 200 COMPLETE   Completion-Cause: 000 success
0.000 > RECOGNIZE 2   | session:own@store
0.000 < 2 200 IN-PROGRESS
0.000 ! listen 1 answer accepts=human,machine
1.000 > DEFINE-GRAMMAR 3   Content-ID: <own@store>   | builtin:speech/boolean
1.000 < 3 402 COMPLETE   Completion-Cause: 016 grammar-definition-failure   Completion-Reason: "a recognition is in progress"
2.000 * 1 decided machine 0.9
2.000 < RECOGNITION-COMPLETE 2 COMPLETE   Completion-Cause: 000 success   Completion-Reason: "told"   Content-Type: application/nlsml+xml   | <?xml version="1.0"?><result xmlns="urn:ietf:params:xml:ns:mrcpv2" grammar="session:own@store"><interpretation confidence="0.90"><instance>2</instance><input mode="speech" confidence="0.90">machine</input></interpretation></result>
3.000 > DEFINE-GRAMMAR 4   Content-ID: own@store   | builtin:speech/boolean
3.000 < 4 200 COMPLETE   Completion-Cause: 000 success
3.000 > RECOGNIZE 5   | session:own@store
3.000 < 5 200 IN-PROGRESS
3.000 ! listen 2 answer accepts=human,machine,screening,ivr
4.000 * 2 decided machine 0.9
4.000 < RECOGNITION-COMPLETE 5 COMPLETE   Completion-Cause: 000 success   Completion-Reason: "told"   Content-Type: application/nlsml+xml   | <?xml version="1.0"?><result xmlns="urn:ietf:params:xml:ns:mrcpv2" grammar="session:own@store"><interpretation confidence="0.90"><instance>true</instance><input mode="speech" confidence="0.90">machine</input></interpretation></result>
5.000 > DEFINE-GRAMMAR 6   Content-ID: <own@store>
5.000 < 6 200 COMPLETE   Completion-Cause: 000 success
5.000 > RECOGNIZE 7   | session:own@store
5.000 < 7 407 COMPLETE   Completion-Cause: 004 grammar-load-failure   Completion-Reason: "no grammar session:own@store was defined in this session"   Failed-URI: session:own@store   Failed-URI-Cause: not-found
6.000 > RECOGNIZE 8   Content-ID: inline   Content-Type: application/srgs+xml   | <grammar root="r"><rule id="r">fax<tag>paper</tag></rule></grammar>
6.000 < 8 200 IN-PROGRESS
6.000 ! listen 3 answer accepts=fax
6.000 > STOP 9
6.000 ! unlisten 3
6.000 < 9 200 COMPLETE   Active-Request-Id-List: 8
7.000 > RECOGNIZE 10   Content-Type: text/grammar-ref-list   | <session:inline>;weight="0.5"\n<builtin:speech/answer>
7.000 < 10 200 IN-PROGRESS
7.000 ! listen 4 answer
8.000 * 4 decided fax 0.9
8.000 < RECOGNITION-COMPLETE 10 COMPLETE   Completion-Cause: 000 success   Completion-Reason: "told"   Content-Type: application/nlsml+xml   | <?xml version="1.0"?><result xmlns="urn:ietf:params:xml:ns:mrcpv2" grammar="builtin:speech/answer"><interpretation confidence="0.90"><instance>fax<answer xmlns="urn:answerd:result"><label>fax</label><confidence>0.90</confidence><reason>told</reason><method>rules</method><decided_at_s>8</decided_at_s></answer></instance><input mode="speech" confidence="0.90">fax</input></interpretation></result>
"#,
    );
}

#[test]
fn a_grammar_of_other_words_never_matches() {
    check(
        r#"
0.000 > DEFINE-GRAMMAR 1   Content-ID: a   Content-Type: application/srgs+xml   | <grammar root="r"><rule id="r"><one-of><item>one</item><item>two</item></one-of></rule></grammar>
0.000 < 1 200 COMPLETE   Completion-Cause: 000 success   Completion-Reason: "no word of the grammar is a label that can be told: it will never match"
0.000 > RECOGNIZE 2   | session:a
0.000 < 2 200 IN-PROGRESS   Completion-Reason: "no word of the grammar is a label that can be told: it will never match"
0.000 ! listen 1 answer accepts=
1.000 * 1 started speech
1.000 < START-OF-INPUT 2 IN-PROGRESS   Input-Type: speech   Proxy-Sync-Id: f00d-1
2.000 * 1 decided human 0.9
2.000 < RECOGNITION-COMPLETE 2 COMPLETE   Completion-Cause: 001 no-match   Completion-Reason: "human 0.90 is heard, but no word of the grammar is a label: told"
"#,
    );
}

#[test]
fn parameters_are_set_and_told() {
    check(
        r#"
0.000 > GET-PARAMS 1
0.000 < 1 200 COMPLETE   Accept: application/nlsml+xml   Fetch-Timeout: 5000   Confidence-Threshold: 0.5   Sensitivity-Level: 0.5   Speed-Vs-Accuracy: 0.5   N-Best-List-Length: 1   No-Input-Timeout: 5000   Recognition-Timeout: 10000   Speech-Complete-Timeout: 0   Speech-Incomplete-Timeout: 0   DTMF-Interdigit-Timeout: 5000   DTMF-Term-Timeout: 10000   DTMF-Term-Char:    Save-Waveform: false   Media-Type: audio/wav   DTMF-Buffer-Time: 10000
0.000 > SET-PARAMS 2   No-Input-Timeout: 7000   Confidence-Threshold: 0.40   Sensitivity-Level: .531   Speech-Complete-Timeout: 900   Vendor-Specific-Parameters: a=b;com.example.c="d e"   DTMF-Term-Char: #
0.000 < 2 200 COMPLETE
0.000 > GET-PARAMS 3   Confidence-Threshold:   DTMF-Term-Char:   Vendor-Specific-Parameters: com.example.c;x   Logging-Tag:
0.000 < 3 200 COMPLETE   Confidence-Threshold: 0.40   DTMF-Term-Char: #   Vendor-Specific-Parameters: com.example.c="d e";x=""   Logging-Tag:
0.000 > RECOGNIZE 4   Confidence-Threshold: 0.9   | builtin:speech/answer
0.000 < 4 200 IN-PROGRESS
0.000 ! listen 1 answer threshold=0.9 sensitivity=0.531 no-input=7000 complete=900
0.000 > STOP 5
0.000 ! unlisten 1
0.000 < 5 200 COMPLETE   Active-Request-Id-List: 4
0.000 > RECOGNIZE 6   Speed-Vs-Accuracy: 0.1   | builtin:speech/answer?confidence-threshold=0.2&speed-vs-accuracy=0.9&n-best-list-length=2
0.000 < 6 200 IN-PROGRESS
0.000 ! listen 2 answer threshold=0.2 sensitivity=0.531 speed=0.1 no-input=7000 complete=900
0.000 > STOP 7
0.000 ! unlisten 2
0.000 < 7 200 COMPLETE   Active-Request-Id-List: 6
0.000 > SET-PARAMS 8   Vendor-Specific-Parameters: result-format=json   Recognition-Timeout: 20000
0.000 < 8 200 COMPLETE
0.000 > RECOGNIZE 9   | builtin:speech/boolean
0.000 < 9 200 IN-PROGRESS
0.000 ! listen 3 answer accepts=human,machine,screening,ivr threshold=0.4 sensitivity=0.531 no-input=7000 recognition=20000 complete=900
1.000 * 3 decided human 0.9
1.000 < RECOGNITION-COMPLETE 9 COMPLETE   Completion-Cause: 000 success   Completion-Reason: "told"   Content-Type: application/json   | {"value":"false","label":"human","confidence":0.9,"grammar":"builtin:speech/boolean"}
2.000 > GET-PARAMS 10
2.000 < 10 200 COMPLETE   Accept: application/nlsml+xml   Fetch-Timeout: 5000   Confidence-Threshold: 0.40   Sensitivity-Level: .531   Speed-Vs-Accuracy: 0.5   N-Best-List-Length: 1   No-Input-Timeout: 7000   Recognition-Timeout: 20000   Speech-Complete-Timeout: 900   Speech-Incomplete-Timeout: 0   DTMF-Interdigit-Timeout: 5000   DTMF-Term-Timeout: 10000   DTMF-Term-Char: #   Save-Waveform: false   Media-Type: audio/wav   DTMF-Buffer-Time: 10000   Vendor-Specific-Parameters: a=b;com.example.c="d e";result-format=json
"#,
    );
}

#[test]
fn headers_that_can_not_be_taken() {
    check(
        r#"
0.000 > SET-PARAMS 1   No-Input-Timeout: 5s   Voice-Gender: male   Recognition-Timeout: 99999999999
0.000 < 1 404 COMPLETE   No-Input-Timeout: 5s
0.000 > SET-PARAMS 2   No-Input-Timeout: 5000   Voice-Gender: male   Recognition-Timeout: 99999999999
0.000 < 2 403 COMPLETE   Voice-Gender: male
0.000 > SET-PARAMS 3   No-Input-Timeout: 5000   Recognition-Timeout: 99999999999
0.000 < 3 409 COMPLETE   Recognition-Timeout: 99999999999
0.000 > SET-PARAMS 4   Recognition-Mode: hotword
0.000 < 4 403 COMPLETE   Recognition-Mode: hotword
0.000 > GET-PARAMS 5   Voice-Gender:   No-Input-Timeout:   Start-Input-Timers:
0.000 < 5 403 COMPLETE   Voice-Gender:    Start-Input-Timers:
0.000 > RECOGNIZE 6   Confidence-Threshold: 50   | builtin:speech/answer
0.000 < 6 404 COMPLETE   Completion-Cause: 006 recognizer-error   Confidence-Threshold: 50
0.000 > RECOGNIZE 7   Input-Waveform-URI: ftp://x/y.wav   | builtin:speech/answer
0.000 < 7 407 COMPLETE   Completion-Cause: 009 uri-failure   Completion-Reason: "ftp://x/y.wav is not fetched: http, https and file are"   Failed-URI: ftp://x/y.wav   Failed-URI-Cause: not-supported
0.000 > RECOGNIZE 8   Ver-Buffer-Utterance: true   | builtin:speech/answer
0.000 < 8 409 COMPLETE   Completion-Cause: 006 recognizer-error   Ver-Buffer-Utterance: true
0.000 > RECOGNIZE 9   Vendor-Specific-Parameters: result-format=emma   | builtin:speech/answer
0.000 < 9 409 COMPLETE   Completion-Cause: 006 recognizer-error   Vendor-Specific-Parameters: result-format=emma
0.000 > RECOGNIZE 10   No-Input-Timeout: 1   No-Input-Timeout: 2   | builtin:speech/answer
0.000 < 10 404 COMPLETE   Completion-Cause: 006 recognizer-error   No-Input-Timeout: 2
0.000 > RECOGNIZE 11   N-Best-List-Length: 0   | builtin:speech/answer
0.000 < 11 404 COMPLETE   Completion-Cause: 006 recognizer-error   N-Best-List-Length: 0
0.000 > RECOGNIZE 12   X-Unknown: 1   Voice-Gender: male   Ver-Buffer-Utterance: false   Enroll-Utterance: false   Logging-Tag: t   | builtin:speech/answer
0.000 < 12 201 IN-PROGRESS
0.000 ! listen 1 answer
0.000 > GET-PARAMS 13   No-Input-Timeout:
0.000 < 13 200 COMPLETE   No-Input-Timeout: 5000
"#,
    );
}

#[test]
fn methods_that_are_not_served_and_requests_out_of_order() {
    check(
        r#"
0.000 > INTERPRET 1   Interpret-Text: human
0.000 < 1 406 COMPLETE   Completion-Reason: "no Content-Type"
0.000 > GET-RESULT 2
0.000 < 2 402 COMPLETE
0.000 > START-PHRASE-ENROLLMENT 3
0.000 < 3 401 COMPLETE
0.000 > SPEAK 4
0.000 < 4 401 COMPLETE
0.000 > STOP 4
0.000 < 4 410 COMPLETE
0.000 > STOP 3
0.000 < 3 410 COMPLETE
0.000 > STOP 10
0.000 < 10 200 COMPLETE
"#,
    );
}

#[test]
fn save_waveform_gets_an_empty_uri() {
    check(
        r#"
0.000 > RECOGNIZE 1   Save-Waveform: true   | builtin:speech/boolean
0.000 < 1 200 IN-PROGRESS
0.000 ! listen 1 answer accepts=human,machine,screening,ivr record=audio/wav
1.000 * 1 started dtmf
1.000 < START-OF-INPUT 1 IN-PROGRESS   Input-Type: dtmf   Proxy-Sync-Id: f00d-1
2.000 * 1 decided human 0.9
2.000 < RECOGNITION-COMPLETE 1 COMPLETE   Completion-Cause: 000 success   Completion-Reason: "told"   Waveform-URI:    Content-Type: application/nlsml+xml   | <?xml version="1.0"?><result xmlns="urn:ietf:params:xml:ns:mrcpv2" grammar="builtin:speech/boolean"><interpretation confidence="0.90"><instance>false</instance><input mode="speech" confidence="0.90">human</input></interpretation></result>
"#,
    );
}

#[test]
fn what_fails_here_is_told() {
    check(
        r#"
0.000 > RECOGNIZE 1   | builtin:speech/answer
0.000 < 1 200 IN-PROGRESS
0.000 ! listen 1 answer
0.000 > RECOGNIZE 2   | builtin:speech/answer
0.000 < 2 200 PENDING
1.000 # media-failure
1.000 ! unlisten 1
1.000 < RECOGNITION-COMPLETE 1 COMPLETE   Completion-Cause: 006 recognizer-error   Completion-Reason: "the sound can't be listened to"
1.000 < RECOGNITION-COMPLETE 2 COMPLETE   Completion-Cause: 011 cancelled   Completion-Reason: "the sound can't be listened to"
2.000 > RECOGNIZE 3   | builtin:speech/answer
2.000 < 3 200 IN-PROGRESS
2.000 ! listen 2 answer
3.000 # drain
3.000 ! unlisten 2
3.000 < RECOGNITION-COMPLETE 3 COMPLETE   Completion-Cause: 006 recognizer-error   Completion-Reason: "the server is shutting down"
3.100 * 2 decided human 0.9
4.000 > RECOGNIZE 4   | builtin:speech/answer
4.000 < 4 407 COMPLETE   Completion-Cause: 006 recognizer-error   Completion-Reason: "the server is shutting down"
5.000 > STOP 5
5.000 < 5 200 COMPLETE
"#,
    );
}

#[test]
fn a_silent_engine_is_told_of() {
    check(
        r#"
0.000 > RECOGNIZE 1   | builtin:speech/answer
0.000 < 1 200 IN-PROGRESS
0.000 ! listen 1 answer
20.000 ! unlisten 1
20.000 < RECOGNITION-COMPLETE 1 COMPLETE   Completion-Cause: 006 recognizer-error   Completion-Reason: "detection told nothing in time"
60.000 > RECOGNIZE 2   Start-Input-Timers: false   | builtin:speech/answer
60.000 < 2 200 IN-PROGRESS
60.000 ! listen 2 answer timers=false
61.000 > START-INPUT-TIMERS 3
61.000 ! start-input-timers 2
61.000 < 3 200 COMPLETE   Active-Request-Id-List: 2
62.000 * 2 started speech
62.000 < START-OF-INPUT 2 IN-PROGRESS   Input-Type: speech   Proxy-Sync-Id: f00d-2
77.000 ! unlisten 2
77.000 < RECOGNITION-COMPLETE 2 COMPLETE   Completion-Cause: 006 recognizer-error   Completion-Reason: "detection told nothing in time"
100.000 > RECOGNIZE 4   Recognition-Mode: hotword   | builtin:speech/beep
100.000 < 4 200 IN-PROGRESS
100.000 ! listen 3 beep hotword=0-60000
3700.000 ! unlisten 3
3700.000 < RECOGNITION-COMPLETE 4 COMPLETE   Completion-Cause: 006 recognizer-error   Completion-Reason: "detection told nothing in time"
5000.000 # wait
"#,
    );
}

#[test]
fn events_follow_the_client_to_another_connection() {
    check(
        r#"
0.000 > RECOGNIZE 1   | builtin:speech/boolean
0.000 < 1 200 IN-PROGRESS
0.000 ! listen 1 answer accepts=human,machine,screening,ivr
0.500 >2 GET-PARAMS 2   No-Input-Timeout:
0.500 <2 2 200 COMPLETE   No-Input-Timeout: 5000
0.600 * 1 started speech
0.600 < START-OF-INPUT 1 IN-PROGRESS   Input-Type: speech   Proxy-Sync-Id: f00d-1
1.000 # disconnect 1
2.000 * 1 decided human 0.9
2.000 <2 RECOGNITION-COMPLETE 1 COMPLETE   Completion-Cause: 000 success   Completion-Reason: "told"   Content-Type: application/nlsml+xml   | <?xml version="1.0"?><result xmlns="urn:ietf:params:xml:ns:mrcpv2" grammar="builtin:speech/boolean"><interpretation confidence="0.90"><instance>false</instance><input mode="speech" confidence="0.90">human</input></interpretation></result>
3.000 >2 RECOGNIZE 3   | builtin:speech/boolean
3.000 <2 3 200 IN-PROGRESS
3.000 ! listen 2 answer accepts=human,machine,screening,ivr
4.000 # disconnect 2
4.500 * 2 started speech
5.000 * 2 decided machine 0.9
6.000 >3 STOP 4
6.000 <3 RECOGNITION-COMPLETE 3 COMPLETE   Completion-Cause: 000 success   Completion-Reason: "told"   Content-Type: application/nlsml+xml   | <?xml version="1.0"?><result xmlns="urn:ietf:params:xml:ns:mrcpv2" grammar="builtin:speech/boolean"><interpretation confidence="0.90"><instance>true</instance><input mode="speech" confidence="0.90">machine</input></interpretation></result>
6.000 <3 4 200 COMPLETE
"#,
    );
}

#[test]
fn a_channel_that_is_gone_is_not_there() {
    check(
        r#"
0.000 > RECOGNIZE 1   | builtin:speech/answer
0.000 < 1 200 IN-PROGRESS
0.000 ! listen 1 answer
1.000 # remove-channel
1.000 ! unlisten 1
2.000 > STOP 2
2.000 < 2 405 COMPLETE
"#,
    );
}
