// The listener's own songs: dropped or chosen, heard before they are sent, sent with progress, and taken back.

import { fill, h } from "../common/dom.js";
import { call, get, upload } from "../common/http.js";
import { shown } from "../common/states.js";
import { act } from "../common/shell.js";
import { t } from "../common/strings.js";
import { askedTwice } from "../common/twice.js";

const USED = 3;

export function songs(listener) {
  const path = `/v1/listeners/${listener.listener_id}/songs`;
  const coming = h("ul", { class: "plain", id: "coming" });
  const list = h("div", { id: "song-list", "aria-live": "polite" });
  const renew = () => shown(list, async () => listed(await get(path), takeBack));
  const takeBack = (song, button) => act(async () => {
    await call("DELETE", `${path}/${song.song_id}`);
    await renew();
  }, button);
  const bring = async (files) => {
    for (const file of files) {
      await act(() => sent(path, file, coming));
      await renew();
    }
  };
  const files = h("input", { id: "files", type: "file", accept: "audio/*,.flac,.ogg,.opus,.m4a", multiple: true });
  files.onchange = async () => {
    await bring([...files.files]);
    files.value = "";
  };
  const drop = h("label", { id: "drop", for: "files" }, h("span", {}, t.songs.drop), h("small", {}, t.songs.kinds));
  drop.ondragover = (event) => {
    event.preventDefault();
    drop.dataset.over = "";
  };
  drop.ondragleave = () => delete drop.dataset.over;
  drop.ondrop = (event) => {
    event.preventDefault();
    delete drop.dataset.over;
    bring([...event.dataTransfer.files]);
  };
  renew();
  return h("section", { id: "songs", "aria-labelledby": "songs-title" },
    h("h2", { id: "songs-title" }, t.songs.title), drop, files, coming, list);
}

const listed = (found, takeBack) => found.length
  ? h("ul", { class: "plain" }, found.map((song, index) =>
    h("li", { class: "row" },
      h("span", {}, t.songs.song(song.filename, Math.round(song.seconds)), index < USED ? "" : ` ${t.songs.unused}`),
      askedTwice(t.songs.takeBack, song.filename, (button) => takeBack(song, button)))))
  : h("p", { class: "state empty" }, t.songs.none);

// One file on its way, with a player of the file itself.
async function sent(path, file, coming) {
  const address = URL.createObjectURL(file);
  const bar = h("progress", { max: 1, value: 0, "aria-label": t.songs.progress(file.name) });
  const line = h("li", {}, h("span", {}, file.name), bar, h("audio", { controls: true, src: address, "aria-label": t.songs.preview(file.name) }));
  coming.prepend(line);
  try {
    await upload(path, file, (part) => {
      bar.value = part;
      if (part === 1) bar.removeAttribute("value"); // sent; now it is being listened to
    });
  } finally {
    line.remove();
    URL.revokeObjectURL(address);
  }
}
