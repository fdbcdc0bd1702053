// English. A text that depends on something is a function of it.

const toGo = ({ to_go_s: seconds }) => (seconds ? `, about ${Math.ceil(seconds)} s to go` : "");

export const en = {
  rooms: {
    listen: {
      name: "Listen", title: "Listen",
      lead: "Bring a song or two, press play. Your ratings teach the model what you want to hear again.",
    },
    operate: { name: "Operate", title: "Operate", lead: "What runs, what is due, and what was decided." },
    analyse: { name: "Analyse", title: "Analyse", lead: "What ratings say of each release and cohort." },
  },
  shell: {
    brand: "Encore", rooms: "Rooms", skip: "Skip to the content",
    title: (name) => `Encore: ${name}`,
    offline: "You are offline. What you hear and rate is kept here and sent when the network is back.",
  },
  enter: { title: "Enter", token: "API token", enter: "Enter", hint: "The token is kept in this tab only." },
  states: { loading: "Loading.", again: "Try again", none: "Nothing yet." },
  errors: {
    away: "Encore does not answer. Check the network and try again.",
    status: (status) => `The server answered ${status}.`,
    expected: (message, expected) => `${message} Expected: ${expected}.`,
    uploadBroke: "The upload broke off. Drop the file again.",
  },
  listener: {
    title: "You", known: "Listener", other: "Someone else", back: "Back", start: "Start listening",
    home: "What do you mostly listen to?", homeExample: "folk",
    homes: ["folk", "classical", "electronic", "rock", "jazz"],
    more: "More about you", moreHint: "(optional, such as age_band=30-39, region=north)",
    cohorts: (names) => `Cohorts: ${names}`, noCohort: "In no cohort of your own.",
  },
  songs: {
    title: "Your songs", drop: "Choose songs, or drop them here",
    kinds: "wav, flac, ogg, mp3 or m4a; up to 10 minutes and 50 MB each; the newest three are used",
    song: (name, seconds) => `${name}, ${seconds} s`, unused: "(kept, not used)",
    none: "No songs yet. With one or two, music starts from what you like.",
    progress: (name) => `How far ${name} is`, preview: (name) => `Hear ${name}`,
  },
  ask: {
    title: "Ask for a track", prompt: "What should it sound like?", optional: "(may stay empty)",
    example: "a lively reel with fiddle, 120 bpm, D major", length: "Length:", seconds: (n) => `${n} seconds`,
    track: "Make a track", pair: "Make two and compare them blind",
  },
  track: {
    title: "Tracks", none: "Nothing yet. Ask for a track above.", surprise: "A surprise", cancel: "Cancel",
    progress: "How far the track is", like: "More like this",
    told: (event, news) => {
      if (event === "queued") return `${news.place ? `Waiting: ${news.place} before it` : "Waiting for its turn"}${toGo(news)}.`;
      if (event === "denoising") return `Step ${news.step} of ${news.steps}${toGo(news)}.`;
      if (event === "failed" && news.problem?.code === "cancelled") return "Cancelled.";
      if (event === "failed") return `It failed: ${news.problem?.message ?? "no reason given"}`;
      if (event === "ready") return `${Math.round(news.seconds)} seconds, ready to hear.`;
      return "Turning it into sound.";
    },
  },
  player: { play: "Play", pause: "Pause", position: "Position", of: (at, length) => `${at} / ${length}` },
  stars: {
    legend: "Your rating", of: (n) => `${n} of 5`, label: (n) => `${n} of 5 stars`,
    rated: (n) => `Rated ${n} of 5. You may change it.`,
  },
  pair: {
    surprise: "A surprise, twice", legend: "Which would you rather hear again?",
    first: "A", second: "B", tie: "Equally good", both_bad: "Both bad",
    hear: (seconds) => `Hear at least ${seconds} seconds of both, then vote.`, counted: "Your vote is counted.",
  },
  releases: {
    title: "Releases", started: "Started", release: "Release", state: "State", listeners: "Listeners", reason: "Why",
    none: "No release yet. One starts when a training round has made versions.",
    status: { canary: "Canary runs", promoted: "Promoted", held: "Held", rolled_back: "Rolled back" },
  },
  rounds: {
    title: "Training rounds", asked: "Asked for", round: "Round", state: "State", listeners: "Listeners",
    versions: "Versions", detail: "Detail", none: "No round yet. Ask for one, or wait until enough new ratings have come.",
    status: { requested: "Requested", running: "Running", trained: "Trained", failed: "Failed", empty: "Nothing to train" },
  },
  feedback: {
    title: "Events that wait to be counted", topic: "Topic", waiting: "Waiting",
    sum: (folded, refused) => `${folded} events counted, ${refused} set aside because they could not be read.`,
  },
  uplift: {
    title: "Differences between arms, with 95 % intervals", means: "Mean rating", cohort: "Cohort", show: "Show",
    arm: "Arm", mean: "Mean", ratings: "Ratings", listeners: "Listeners", compared: "Compared", release: "Release",
    estimate: "Uplift", between: "Interval", outside: "outside any", none: "Too few ratings yet.",
    over: (arm, baseline) => `${arm} over ${baseline}`, interval: (low, high) => `${low} to ${high}`,
  },
};
