// Media keys, headsets and the lock screen speak to the player that sounds.

import { t } from "../common/strings.js";

const session = navigator.mediaSession;
const STEP_S = 10;

let shown = null; // the player that they speak to

// `next` skips, where there is something to skip to.
export function offerKeys(player, next) {
  if (!session) return;
  shown = player;
  session.metadata = new MediaMetadata({ title: player.title, artist: t.shell.brand });
  const seek = (seconds) => player.tried(player.seek(seconds));
  const actions = {
    play: () => player.tried(player.play()),
    pause: () => player.pause(),
    seekto: ({ seekTime }) => seek(seekTime),
    seekbackward: ({ seekOffset }) => seek(player.at - (seekOffset ?? STEP_S)),
    seekforward: ({ seekOffset }) => seek(player.at + (seekOffset ?? STEP_S)),
    nexttrack: next,
  };
  for (const [name, act] of Object.entries(actions)) session.setActionHandler(name, act);
}

export function showKeys(player) {
  if (!session || player !== shown) return;
  session.playbackState = player.isSounding ? "playing" : "paused";
  session.setPositionState({ duration: player.track.seconds, position: Math.min(player.at, player.track.seconds) });
}
