#!/usr/bin/env bash
# A base on a GPU that is lent for half an hour: what `training.base.travel pack` wrote goes in, weights come out.
#
#   training/base/lease.sh first  FOLDER        # unpack, render for the codec, start codec and vocoder; returns at once
#   training/base/lease.sh second FOLDER        # unpack the rest, render all, features, start the denoiser; until a time
#   training/base/lease.sh last   OUT SECONDS   # wait that long for the denoiser, write the base in pieces to OUT
#
# Each call goes on where the one before was; trainings run on between calls, and each can be started again after a kill.
# FOLDER also holds `libraries.tar.xz` (libfluidsynth and what it needs) and `wheels/` of packages that are not there.
set -euo pipefail
cd "$(dirname "$0")/../.."
export WORK=${WORK:-/tmp/encore-base} OMP_NUM_THREADS=1 PYTHONUNBUFFERED=1
export ENCORE_BASE_WORK=$WORK PYTHONPATH=$PWD:$WORK/site:$WORK/packages TORCHINDUCTOR_CACHE_DIR=$WORK/inductor
CODEC_S=${CODEC_S:-400} VOCODER_S=${VOCODER_S:-750} DENOISER_S=${DENOISER_S:-720}
CODEC_ARRANGEMENTS=${CODEC_ARRANGEMENTS:-2500} ARRANGEMENTS=${ARRANGEMENTS:-20000}
mkdir -p "$WORK/log"

start() { # NAME COMMAND...: in the background, in a session of its own, so that it outlives this call
  local name=$1; shift
  setsid nohup "$@" >>"$WORK/log/$name.log" 2>&1 </dev/null &
  echo $! >"$WORK/log/$name.pid"
}
running() { kill -0 "$(cat "$WORK/log/$1.pid")" 2>/dev/null; }
await() { while running "$1"; do sleep 1; done; }
codec_work() { ENCORE_BASE_WORK=$WORK/codec "$@"; }
libraries() { # only those that the system lacks
  mkdir -p /opt/sound && tar -xJf "$1" -C /opt/sound
  for file in /opt/sound/*.so*; do
    if ldconfig -p | grep -qF "$(basename "$file") "; then rm "$file"; fi
  done
  echo /opt/sound >/etc/ld.so.conf.d/sound.conf && ldconfig
}

case $1 in
first)
  libraries "$2/libraries.tar.xz"
  python3 -m pip install -q --no-index --no-deps --no-compile --target "$WORK/site" "$2"/wheels/*.whl
  python3 -m training.base.travel unpack --from "$2/first"
  mkdir -p "$WORK/codec" && cp "$WORK/tunes.json" "$WORK/codec/"
  codec_work python3 -m training.base.render --arrangements "$CODEC_ARRANGEMENTS" --recordings "$WORK/recordings"
  start codec env ENCORE_BASE_WORK="$WORK/codec" python3 -m training.base.train_codec --seconds "$CODEC_S"
  # Until the codec is there the vocoder learns from true log-mels.
  start vocoder env ENCORE_BASE_WORK="$WORK/codec" timeout "$CODEC_S" \
    python3 -m training.base.train_vocoder --seconds "$VOCODER_S"
  sleep 45; tail -n 3 "$WORK"/log/*.log ;;
second)
  python3 -m training.base.travel unpack --from "$2/second"
  python3 -m training.base.render --arrangements "$ARRANGEMENTS" --recordings "$WORK/recordings"
  await codec; cp "$WORK/codec/codec.pt" "$WORK/"
  if running vocoder; then kill "$(cat "$WORK/log/vocoder.pid")" && await vocoder; fi
  start vocoder env ENCORE_BASE_WORK="$WORK/codec" python3 -m training.base.train_vocoder --seconds "$VOCODER_S"
  python3 -m training.base.features
  start denoiser python3 -m training.base.train_denoiser --seconds "$DENOISER_S"
  sleep 5; tail -n 4 "$WORK"/log/*.log ;;
last)
  for _ in $(seq "$3"); do running denoiser || break; sleep 1; done
  cp "$WORK/codec/vocoder.pt" "$WORK/"
  python3 -m training.base.ship --to "$WORK/base"
  cp "$WORK/base/base.json" "$2/" && tar -cJf "$2/log.tar.xz" -C "$WORK" log
  cat "$WORK"/base/*.safetensors >/dev/null
  tar -cf - -C "$WORK/base" codec.safetensors transformer.safetensors conditions.safetensors style.safetensors \
    | split -b 15M -d - "$2/base.tar."
  tail -n 4 "$WORK"/log/*.log; ls -la "$2" ;;
esac
