#!/bin/sh
# Makes the recordings beside this file from their sources (see ../README.md): sh make.sh FOLDER_WITH_SOURCES .
# Needs sox. The same sox writes the same bytes (-R: repeatable noise and dither).
set -e
sources=${1:?the folder with yes.flac, greeting.flac and beep.flac}
out=${2:?the folder to write to}
work=$(mktemp -d)

# A telephone line: 250-3450 Hz, a faint noise floor, mu-law. Arguments: sound, file to write, seconds.
line() {
    sox -R -n -r 8000 -c 1 -b 16 "$work/noise.wav" synth "$3" pinknoise norm -62 gain 11
    sox -R -m -v 1 "$1" -v 1 "$work/noise.wav" -r 8000 -c 1 -b 16 "$work/mixed.wav" sinc 250-3450 trim 0 "$3"
    sox -R -D "$work/mixed.wav" -e mu-law -b 8 "$2"
}

# A tone of a level in dB below full scale. Arguments: file, seconds, hertz.
tone() {
    sox -R -n -r 8000 -b 16 "$1" synth "$2" sine "$3" gain -27.2
}

sox -R "$sources/yes.flac" "$work/person.wav" gain -6 pad 0.7 4
line "$work/person.wav" "$out/person.wav" 4.5

sox -R "$sources/greeting.flac" "$work/greeting.wav" gain -3 pad 0.6 0
sox -R "$sources/beep.flac" "$work/beep.wav" trim 0.3 gain -8
sox -R "$work/greeting.wav" "$work/beep.wav" "$work/voicemail.wav" pad 0 3
line "$work/voicemail.wav" "$out/voicemail.wav" 10.0

# Special information tone "vacant code": long, short, long, no gaps, -24 dBm0
# (a full-scale sine is +3.17 dBm0 in mu-law).
tone "$work/1.wav" 0.380 985.2
tone "$work/2.wav" 0.274 1370.6
tone "$work/3.wav" 0.380 1776.7
sox -R "$work/1.wav" "$work/2.wav" "$work/3.wav" "$work/sit.wav" pad 0.5 3
line "$work/sit.wav" "$out/sit.wav" 3.0

rm -r "$work"
