//! INTERPRET, GET-RESULT and STOP in each state, page by page: RFC 6787 sections 9.1, 9.10, 9.11 and 9.20.

use crate::session::mrcp::tests::page::check;

#[test]
fn interpret() {
    check(
        r#"
0.000 > INTERPRET 1   Interpret-Text: may I speak to Andre Roy   Content-ID: request   Content-Type: application/srgs+xml   | <grammar root="r" tag-format="semantics/1.0"><rule id="r">may I speak to <one-of><item>Michel Tremblay<tag>out.person = "M";</tag></item><item>Andre Roy<tag>out.person = "A";</tag></item></one-of></rule></grammar>
0.000 < 1 200 IN-PROGRESS
0.000 < INTERPRETATION-COMPLETE 1 COMPLETE   Completion-Cause: 000 success   Content-Type: application/nlsml+xml   | <?xml version="1.0"?><result xmlns="urn:ietf:params:xml:ns:mrcpv2" grammar="session:request"><interpretation><instance><person>A</person></instance><input>may I speak to Andre Roy</input></interpretation></result>
0.100 > INTERPRET 2   Interpret-Text: hello   | session:request
0.100 < 2 200 IN-PROGRESS
0.100 < INTERPRETATION-COMPLETE 2 COMPLETE   Completion-Cause: 001 no-match   Completion-Reason: "the text matches no grammar"
0.200 > INTERPRET 3   Interpret-Text: 12   Content-Type: application/srgs+xml   | <grammar mode="dtmf" root="r"><rule id="r">1 2</rule></grammar>
0.200 < 3 200 IN-PROGRESS
0.200 < INTERPRETATION-COMPLETE 3 COMPLETE   Completion-Cause: 000 success   Content-Type: application/nlsml+xml   | <?xml version="1.0"?><result xmlns="urn:ietf:params:xml:ns:mrcpv2" grammar="inline"><interpretation><instance>12</instance><input>12</input></interpretation></result>
0.300 > INTERPRET 4   Interpret-Text: human   Accept: application/json   | builtin:speech/boolean
0.300 < 4 200 IN-PROGRESS
0.300 < INTERPRETATION-COMPLETE 4 COMPLETE   Completion-Cause: 000 success   Content-Type: application/json   | {"value":"false","input":"human","grammar":"builtin:speech/boolean"}
"#,
    );
}

#[test]
fn interpret_has_its_states() {
    check(
        r#"
0.000 > INTERPRET 1   | builtin:speech/answer
0.000 < 1 406 COMPLETE   Completion-Reason: "no Interpret-Text"
0.000 > INTERPRET 2   Interpret-Text: human
0.000 < 2 406 COMPLETE   Completion-Reason: "no Content-Type"
0.000 > INTERPRET 3   Interpret-Text: human   | builtin:speech/nothing
0.000 < 3 407 COMPLETE   Completion-Cause: 004 grammar-load-failure   Completion-Reason: "no builtin builtin:speech/nothing: there are builtin:speech/answer, builtin:speech/beep, builtin:speech/voicemail, builtin:speech/boolean"
0.000 > RECOGNIZE 4   | builtin:speech/answer
0.000 < 4 200 IN-PROGRESS
0.000 ! listen 1 answer
0.100 > INTERPRET 5   Interpret-Text: human   | builtin:speech/answer
0.100 < 5 402 COMPLETE   Completion-Reason: "a recognition is in progress"
1.000 * 1 decided human 0.9
1.000 < RECOGNITION-COMPLETE 4 COMPLETE   Completion-Cause: 000 success   Completion-Reason: "told"   Content-Type: application/nlsml+xml   | <?xml version="1.0"?><result xmlns="urn:ietf:params:xml:ns:mrcpv2" grammar="builtin:speech/answer"><interpretation confidence="0.90"><instance>human<answer xmlns="urn:answerd:result"><label>human</label><confidence>0.90</confidence><reason>told</reason><method>rules</method><decided_at_s>1</decided_at_s></answer></instance><input mode="speech" confidence="0.90">human</input></interpretation></result>
1.100 > INTERPRET 6   Interpret-Text: machine   | builtin:speech/boolean
1.100 < 6 200 IN-PROGRESS
1.100 < INTERPRETATION-COMPLETE 6 COMPLETE   Completion-Cause: 000 success   Content-Type: application/nlsml+xml   | <?xml version="1.0"?><result xmlns="urn:ietf:params:xml:ns:mrcpv2" grammar="builtin:speech/boolean"><interpretation><instance>true</instance><input>machine</input></interpretation></result>
1.200 > GET-RESULT 7
1.200 < 7 200 COMPLETE   Completion-Cause: 000 success   Completion-Reason: "told"   Content-Type: application/nlsml+xml   | <?xml version="1.0"?><result xmlns="urn:ietf:params:xml:ns:mrcpv2" grammar="builtin:speech/answer"><interpretation confidence="0.90"><instance>human<answer xmlns="urn:answerd:result"><label>human</label><confidence>0.90</confidence><reason>told</reason><method>rules</method><decided_at_s>1</decided_at_s></answer></instance><input mode="speech" confidence="0.90">human</input></interpretation></result>
"#,
    );
}

#[test]
fn the_text_to_interpret_may_be_in_the_body() {
    check(
        r#"
0.000 > INTERPRET 1   Interpret-Text: <t@x>   Content-Type: multipart/mixed;boundary=B   | --B\nContent-Type: text/plain\nContent-ID: <t@x>\n\nhuman\n--B\nContent-Type: text/uri-list\n\nbuiltin:speech/boolean\n--B--\n
0.000 < 1 200 IN-PROGRESS
0.000 < INTERPRETATION-COMPLETE 1 COMPLETE   Completion-Cause: 000 success   Content-Type: application/nlsml+xml   | <?xml version="1.0"?><result xmlns="urn:ietf:params:xml:ns:mrcpv2" grammar="builtin:speech/boolean"><interpretation><instance>false</instance><input>human</input></interpretation></result>
0.000 > INTERPRET 2   Interpret-Text: cid:t@x   Content-Type: multipart/mixed;boundary=B   | --B\nContent-Type: text/plain\nContent-ID: <t@x>\n\nmachine\n--B\nContent-Type: text/uri-list\n\nbuiltin:speech/boolean\n--B--\n
0.000 < 2 200 IN-PROGRESS
0.000 < INTERPRETATION-COMPLETE 2 COMPLETE   Completion-Cause: 000 success   Content-Type: application/nlsml+xml   | <?xml version="1.0"?><result xmlns="urn:ietf:params:xml:ns:mrcpv2" grammar="builtin:speech/boolean"><interpretation><instance>true</instance><input>machine</input></interpretation></result>
0.000 > INTERPRET 3   Interpret-Text: cid:other   | builtin:speech/boolean
0.000 < 3 404 COMPLETE   Interpret-Text: cid:other
"#,
    );
}

#[test]
fn get_result_computes_anew() {
    check(
        r#"
0.000 > GET-RESULT 1
0.000 < 1 402 COMPLETE
0.000 > RECOGNIZE 2   Confidence-Threshold: 0.8   | builtin:speech/boolean
0.000 < 2 200 IN-PROGRESS
0.000 ! listen 1 answer accepts=human,machine,screening,ivr threshold=0.8
0.100 > GET-RESULT 3
0.100 < 3 402 COMPLETE
1.000 * 1 decided human 0.6 machine 0.3
1.000 < RECOGNITION-COMPLETE 2 COMPLETE   Completion-Cause: 001 no-match   Completion-Reason: "human 0.60 is below Confidence-Threshold 0.8: told"
1.100 > GET-RESULT 4
1.100 < 4 200 COMPLETE   Completion-Cause: 001 no-match   Completion-Reason: "human 0.60 is below Confidence-Threshold 0.8: told"
1.200 > GET-RESULT 5   Confidence-Threshold: 0.5
1.200 < 5 200 COMPLETE   Completion-Cause: 000 success   Completion-Reason: "told"   Content-Type: application/nlsml+xml   | <?xml version="1.0"?><result xmlns="urn:ietf:params:xml:ns:mrcpv2" grammar="builtin:speech/boolean"><interpretation confidence="0.60"><instance>false</instance><input mode="speech" confidence="0.60">human</input></interpretation></result>
1.300 > GET-RESULT 6   Confidence-Threshold: 0.2   N-Best-List-Length: 2   Accept: application/json
1.300 < 6 200 COMPLETE   Completion-Cause: 000 success   Completion-Reason: "told"   Content-Type: application/json   | {"value":"false","label":"human","confidence":0.6,"grammar":"builtin:speech/boolean","alternatives":[{"value":"true","label":"machine","confidence":0.3,"grammar":"builtin:speech/boolean"}]}
1.400 > GET-RESULT 7   Confidence-Threshold: x
1.400 < 7 404 COMPLETE   Confidence-Threshold: x
1.500 > GET-RESULT 8   Accept: application/emma+xml
1.500 < 8 409 COMPLETE   Accept: application/emma+xml
1.600 > STOP 9
1.600 < 9 200 COMPLETE
1.700 > GET-RESULT 10
1.700 < 10 402 COMPLETE
"#,
    );
}

#[test]
fn get_result_of_nothing() {
    check(
        r#"
0.000 > RECOGNIZE 1   Save-Waveform: true   | builtin:speech/boolean
0.000 < 1 200 IN-PROGRESS
0.000 ! listen 1 answer accepts=human,machine,screening,ivr record=audio/wav
1.000 * 1 recorded http://h/w/1.wav 16044 1000
1.000 * 1 no-input
1.000 < RECOGNITION-COMPLETE 1 COMPLETE   Completion-Cause: 002 no-input-timeout   Completion-Reason: "told"   Waveform-URI: <http://h/w/1.wav>;size=16044;duration=1000
1.100 > GET-RESULT 2
1.100 < 2 200 COMPLETE   Completion-Cause: 002 no-input-timeout   Completion-Reason: "told"   Waveform-URI: <http://h/w/1.wav>;size=16044;duration=1000
2.000 > RECOGNIZE 3   | builtin:speech/boolean
2.000 < 3 200 IN-PROGRESS
2.000 ! listen 2 answer accepts=human,machine,screening,ivr
2.500 # media-failure
2.500 ! unlisten 2
2.500 < RECOGNITION-COMPLETE 3 COMPLETE   Completion-Cause: 006 recognizer-error   Completion-Reason: "the sound can't be listened to"
2.600 > GET-RESULT 4
2.600 < 4 200 COMPLETE   Completion-Cause: 006 recognizer-error   Completion-Reason: "the sound can't be listened to"
3.000 > DEFINE-GRAMMAR 5   Content-ID: a   | builtin:speech/boolean
3.000 < 5 200 COMPLETE   Completion-Cause: 000 success
3.100 > GET-RESULT 6
3.100 < 6 402 COMPLETE
"#,
    );
}

#[test]
fn cancel_if_queue_with_a_queue() {
    check(
        r#"
0.000 > RECOGNIZE 1   Cancel-If-Queue: false   | builtin:speech/answer
0.000 < 1 200 IN-PROGRESS
0.000 ! listen 1 answer
0.100 > RECOGNIZE 2   Cancel-If-Queue: true   | builtin:speech/answer
0.100 < 2 200 PENDING
0.200 > RECOGNIZE 3   Cancel-If-Queue: false   | builtin:speech/boolean
0.200 < 3 200 PENDING
1.000 * 1 decided human 0.9
1.000 < RECOGNITION-COMPLETE 1 COMPLETE   Completion-Cause: 000 success   Completion-Reason: "told"   Content-Type: application/nlsml+xml   | <?xml version="1.0"?><result xmlns="urn:ietf:params:xml:ns:mrcpv2" grammar="builtin:speech/answer"><interpretation confidence="0.90"><instance>human<answer xmlns="urn:answerd:result"><label>human</label><confidence>0.90</confidence><reason>told</reason><method>rules</method><decided_at_s>1</decided_at_s></answer></instance><input mode="speech" confidence="0.90">human</input></interpretation></result>
1.000 ! listen 2 answer
1.100 > RECOGNIZE 4   Cancel-If-Queue: false   | builtin:speech/beep
1.100 ! unlisten 2
1.100 < RECOGNITION-COMPLETE 2 COMPLETE   Completion-Cause: 011 cancelled   Completion-Reason: "cancelled by RECOGNIZE 4"
1.100 < 4 200 PENDING   Active-Request-Id-List: 2
1.100 ! listen 3 answer accepts=human,machine,screening,ivr
2.000 > STOP 5
2.000 ! unlisten 3
2.000 < 5 200 COMPLETE   Active-Request-Id-List: 3,4
"#,
    );
}
