// English. A text that depends on something is a function of it.

const toGo = ({ to_go_s: seconds }) => (seconds ? `, about ${Math.ceil(seconds)} s to go` : "");

const less = ({ arm, baseline }) => `${en.analyse.arms[arm]} less ${en.analyse.arms[baseline]}`;
const cells = (count) => (count === 1 ? "1 cell" : `${count} cells`);

export const en = {
  rooms: {
    listen: {
      name: "Listen", title: "Listen",
      lead: "Bring a song or two, press play. Your ratings teach the model what you want to hear again.",
      offline: "You are offline. What you hear and rate is kept here and sent when the network is back.",
    },
    operate: {
      name: "Operate", title: "Operate", lead: "What runs, what is due, and what was decided.",
      offline: "You are offline. What stands here is from before; it is renewed when the network is back.",
    },
    analyse: {
      name: "Analyse", title: "Analyse", lead: "What ratings say of each release and cohort.",
      offline: "You are offline. What is shown stays; another picture can be had when the network is back.",
    },
  },
  shell: {
    brand: "Encore", rooms: "Rooms", skip: "Skip to the content",
    title: (name) => `Encore: ${name}`,
  },
  enter: {
    title: "Enter",
    code: "One-time login",
    enter: "Enter",
    hint: "Who runs Encore gives it to you. It lets in once; what it becomes stays in this tab only.",
  },
  states: { loading: "Loading.", again: "Try again", none: "Nothing yet.", more: (rows) => `Show more (${rows} left)`, further: "Show more", earlier: "Show earlier ones" },
  errors: {
    away: "Encore does not answer. Check the network and try again.",
    status: (status) => `The server answered ${status}.`,
    spent: (seconds) => `That is as much as you may have for now. ${seconds ? `There is more in ${seconds} s.` : "There is more in a while."}`,
    expected: (message, expected) => `${message} Expected: ${expected}.`,
    uploadBroke: "The upload broke off. Drop the file again.",
  },
  listener: {
    title: "You", start: "Start listening",
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
    takeBack: {
      ask: "Take back", yes: "Take it back for good", no: "Keep it", of: (name, song) => `${name}: ${song}`,
      means: "Its sound goes, and every version of yours that learned from it.",
    },
  },
  ask: {
    title: "Ask for a track", prompt: "What should it sound like?", optional: "(may stay empty)",
    example: "a lively reel with fiddle, 120 bpm, D major", length: "Length:", seconds: (n) => `${n} seconds`,
    track: "Make a track", pair: "Make two and compare them blind", four: "Make four and pick one",
  },
  dials: {
    title: "What counts beside your taste",
    hint: "Several takes of each track are tried, and you hear the one that fits you best. How well it is made may count as well. This holds for what you ask for from now on, in your station too; four to pick one from stay as they come.",
    name: { harmony: "Harmony that is right", coherence: "Hangs together (from six seconds)", production: "Clean sound" },
    weight: (weight) => ({ "": "As usual", 0: "Not at all", 1: "As much as your taste", 2: "Twice as much", 3: "Three times" })[weight],
  },
  track: {
    title: "Tracks", none: "Nothing yet. Ask for a track above.", surprise: "A surprise", cancel: "Cancel",
    progress: "How far the track is", like: "More like this",
    told: (event, news) => {
      if (event === "queued") return `${news.place ? `Waiting: ${news.place} before it` : "Waiting for its turn"}${toGo(news)}.`;
      if (event === "denoising") return `Step ${news.step} of ${news.steps}${toGo(news)}.`;
      if (event === "failed" && news.problem?.code === "cancelled") return "Cancelled.";
      if (event === "failed") return `It failed: ${news.problem?.message ?? "no reason given"}`;
      if (news.audio_expired_at) return "Its sound is kept no longer. What you said of it still counts.";
      if (event === "ready") return `${Math.round(news.seconds)} seconds, ready to hear.`;
      return "Turning it into sound.";
    },
  },
  player: { play: "Play", pause: "Pause", position: "Position", press: "Press play to go on.", of: (at, length) => `${at} / ${length}` },
  stars: {
    legend: "Your rating", of: (n) => `${n} of 5`, label: (n) => `${n} of 5 stars`,
    rated: (n) => `Rated ${n} of 5. You may change it.`,
    waits: (n) => `${n} of 5 is kept here, and sent when the network is back.`,
  },
  station: {
    title: "Your station", play: "Play the station", bar: "Now playing",
    mood: "In the mood for (may stay empty)", example: "calm piano, slow", each: "Each track",
    length: (seconds) => (seconds < 60 ? `${seconds} seconds` : `${seconds / 60} min`),
    hint: "It plays on, with the next track always in the making. Now and then two versions of a track come blind, or four takes: say which one you would rather hear again.",
    asking: "Asking for a track.", skip: "Skip", stop: "End the station",
    heart: "Love it: five stars", side: ["A of two for the same words.", "B of two for the same words."], take: (n) => `Take ${n} of four for the same words.`,
    fade: "Cross-fade", fadeOf: (seconds) => (seconds ? `${seconds} seconds` : "Off"),
    goOn: (title, at) => `Go on: ${title} at ${at}`, gone: "What you heard cannot be heard any more. Play the station anew.",
    elsewhere: "Paused here: it plays on another device now.",
    next: (ready) => (ready ? `${ready} more ready` : "The next one is in the making"),
    ready: "ready", making: "in the making", leaveOut: "Leave out", pair: (title) => `Two to compare, ${title}`, four: (title) => `Four to pick from, ${title}`,
  },
  taste: {
    title: "What Encore believes you like", renew: "Look again",
    from: (ratings, songs, version) => `From ${ratings} ratings and ${songs} songs. ${version === null
      ? "No version of your own yet: music follows your songs." : `You hear version ${version}, learned from your ratings.`}`,
    none: "Nothing yet. Rate tracks that you asked for in words, or add a word below.",
    since: (day, changes) => `Since ${day}: ${changes}.`, same: (day) => `Nothing new since ${day}.`,
    more: (word) => `more ${word}`, less: (word) => `less ${word}`,
    asked: (tone) => `By what you said, your next tracks are asked for ${tone}.`,
    treble: (decibels) => decibels > 0 ? "brighter" : "darker", bass: (decibels) => `with ${decibels > 0 ? "more" : "less"} bass`,
    sure: (sure, ratings) => `${sure} sure, ${ratings} ratings`,
    like: "I like it", dislike: "I do not", likes: (word) => `I like ${word}`, dislikes: (word) => `I do not like ${word}`,
    takeBack: "Take back what I said", takeBackOf: (word) => `Take back what I said of ${word}`,
    add: "Something it does not know yet", example: "piano",
  },
  consent: {
    title: "Your data", version: "room-2",
    hint: "You may change either at any time, and music goes on.",
    purposes: { training: "Learn from what I hear and rate", analysis: "Count me when releases are judged" },
    means: {
      training: { true: "Your ratings and songs teach versions of your own, and with those of many others, by what is known of you such as your country, what they have in common.", false: "Nothing is learned from you from now on." },
      analysis: { true: "You are one of those whose ratings analysts see summed up.", false: "You are in nothing that analysts see." },
    },
    since: (when) => `Said on ${when}.`,
    takeAway: "Take your data away", takeAwayMeans: "One archive: your songs' facts, tracks, ratings, taste and versions.",
  },
  erase: {
    what: "everything of you", of: (word, what) => `${word}: ${what}`,
    ask: "Erase me", means: "Songs, tracks, ratings and all that was learned from them go for good. Nobody can bring them back.",
    yes: "Erase me for good", no: "Keep me",
    done: "You are erased", doneMeans: "From now on nobody finds you here. Each store of Encore removes what it holds and confirms it. You may close this page; who wants to come back begins anew.",
  },
  past: {
    title: "Your ratings of the last weeks", stars: "Stars", none: "No ratings yet. Rate a track, and it appears here.",
    says: (ratings, weeks, first, last) => weeks > 1
      ? `${ratings} ratings in ${weeks} weeks; on the mean ${first} in the first and ${last} in the last.` : `${ratings} ratings, ${last} on the mean.`,
  },
  pair: {
    surprise: "A surprise, twice", legend: "Which would you rather hear again?",
    first: "A", second: "B", tie: "Equally good", both_bad: "Both bad",
    hear: (seconds) => `Hear at least ${seconds} seconds of both, then vote.`, counted: "Your vote is counted.",
    lost: "One of the two cannot be heard, so there is nothing to vote on.", waits: "Your vote is kept here, and sent when the network is back.",
  },
  four: {
    surprise: "A surprise, four times", legend: "Which would you rather hear again?", take: (n) => `Take ${n}`, none: "None of them",
    keys: "While you are in this card, the keys 1 to 4 play a take.",
    hear: (seconds, left) => `Hear at least ${seconds} seconds of each, then pick. Still to hear: ${left.join(", ")}.`,
    open: "Pick one, or none.", lost: "None of them can be heard, so there is nothing to pick.", counted: "Your pick is counted.", again: "You may pick another.", waits: "Your pick is kept here, and sent when the network is back.",
  },
  operate: {
    places: "Places of this room", grafana: "In Grafana",
    live: {
      connecting: "Connecting: what changes will be shown as it does.", live: "Live: what changes is shown as it does.",
      lost: (since, why) => `Not live since ${since}: ${why} Meanwhile all is asked for every 10 seconds.`,
    },
    now: {
      title: "What needs you now", calm: "Nothing needs you. Rounds, releases and events are as they should be.", look: "Look",
      kind: {
        switch: "Switched off.", failed: "Round failed.", stuck: "Stuck.", refused: "Order refused.", lag: "Events wait.",
        unread: "Events set aside.", unseen: "Not known.", near: "Near its bound.", engine: "Engine.", rolled_back: "Rolled back.", reverted: "Reverted.", canary: "Canary runs.",
        due: "Due.", paused: "Paused.", refusals: "Refused.",
      },
      switch: (whom, reason) => `${whom}: ${reason}`,
      unseen: (what, why) => `${what}: ${why}`,
      failed: (round, detail) => `Round ${round}: ${detail}. Read its log, then ask for another.`,
      waits: (round, since) => `Round ${round} was asked for at ${since} and has not begun. See whether the factory runs.`,
      runs: (round, since) => `Round ${round} runs since ${since}. See the factory's log.`,
      refused: (action, says) => `${action}: ${says}`,
      lag: (events) => `${events} events are not counted yet. See whether the aggregator runs.`,
      unread: (events) => `${events} events could not be read; they are kept in feedback.dead_letters.`,
      near: (release, what, p, allowed) => `Release ${release}, ${what}: chance alone would show as much against it in ${p} of releases that are no worse; at ${allowed} it ends. Hear both sides, or pause it.`,
      noReplica: "No replica answers. Tracks wait until one does; see whether the engine runs.",
      queue: (replica, tracks) => `${tracks} tracks wait at replica ${replica}. More replicas would shorten the line.`,
      ended: (release, reason) => `Release ${release}: ${reason}`,
      canary: (release, look, reason) => `Release ${release}, look ${look}: ${reason}`,
      due: (round, versions, since) => `Round ${round}: its ${versions} versions wait for their release since ${since}. One begins at the rollout's next turn, unless new canaries are stopped or their listeners are in another.`,
      overdue: (release, end) => `Release ${release} was to be decided by ${end}. See whether the rollout runs.`,
      paused: (release) => `Release ${release}: its clock stands still. Let it go on, or end it.`,
      refusals: (requests, why) => `${requests} requests within an hour ${why}.`,
      young: (release) => `Release ${release} has had no look yet.`,
    },
    releases: {
      title: "Releases", none: "No release yet. One starts when a training round has made versions.",
      status: { canary: "Canary", promoted: "Promoted", held: "Held", rolled_back: "Rolled back", reverted: "Reverted" },
      verdict: { promote: "Promote", hold: "Hold", roll_back: "Roll back", revert: "Revert", confirm: "Confirm" },
      name: (id) => `Release ${id}`, paused: "Paused",
      since: (started, joined, listeners) => `since ${started}, ${joined} of ${listeners} listeners reached`,
      watched: (listeners) => `${listeners} listeners still hear the version before as well`,
      noLook: "No look yet: too few ratings have come.", decisions: "Looks", look: "Look", when: "When", what: "Verdict",
      estimate: "Estimate, stars", bound: "Lower bound, stars and votes", information: "Of the plan", why: "Why", by: (reason, who) => `${reason} (${who})`,
      followed: (look) => `Everything that look ${look} followed from`, round: (id) => `Its versions come from round ${id}.`,
      analyse: "Look at its uplift",
      reached: (joined, listeners) => `${joined} of ${listeners} listeners are reached.`, endsBy: (end) => `It is decided by ${end} at the latest.`,
    },
    guardrails: {
      title: "Guardrails as they run",
      name: { stars: "Stars and votes", skips: "Early skips", completions: "Heard to the end", failures: "Failures" },
      hint: "How much speaks against the candidate. The fuller a bar, the less it looks like chance; a full one ends the release.",
      says: (p, allowed) => `Chance alone would show as much in ${p} of releases that are no worse; at ${allowed} this one ends.`,
      silent: "Nothing speaks against the candidate.",
    },
    looks: {
      information: "Share of the planned comparisons", difference: "Candidate less champion, stars and votes", boundary: "promotes when its bound is above",
      look: (number) => `look ${number}`,
      says: (looks, estimate, low, fraction) => `${looks === 1 ? "One look. At it" : `${looks} looks. At the last one`}, with ${fraction} of the planned comparisons, candidate less champion is ${estimate} in stars and votes${low === null ? "" : `, and at least ${low} at the error that this look may make`}. A bound above zero promotes.`,
    },
    orders: {
      title: "Orders", list: "Orders, newest first", reason: "Why", when: "When", who: "Who", what: "What", about: "About", answer: "What came of it",
      waiting: "Waits for the rollout's next turn", none: "No orders yet. What you order here or in a release is listed with its reason.",
      status: { done: "Done.", refused: "Refused." }, given: (action) => `Ordered: ${action}. What came of it is under Orders.`,
      ofRelease: (id) => `Release ${id}`, ofListener: (id) => `Listener ${id}`, ofVersion: (version, id) => `Version ${version} of listener ${id}`, version: "Which version to pin", ofAll: "New canaries",
      action: {
        promote: "Promote", hold: "Hold", roll_back: "Roll back", revert: "Revert", pause: "Pause", resume: "Resume",
        stop: "Stop new canaries", start: "Allow new canaries", opt_out: "Leave out of canaries", opt_in: "Take into canaries",
        pin: "Pin", unpin: "Unpin",
      },
    },
    switches: {
      title: "Kill switch", hint: "From the next track on, whom it names hears only what their songs alone give.",
      none: "Nobody is switched off.", whomLabel: "Whom", which: "Which", throw: "Switch learning off", lift: "Lift",
      kind: { listener_id: "One listener", cohort: "A cohort", everyone: "Everyone" },
      example: { listener_id: "the listener's id", cohort: "home=folk", everyone: "" },
      whom: ({ listener_id: listener, cohort }) => (listener ? `Listener ${listener}` : cohort ? `Cohort ${cohort}` : "Everyone"),
      thrown: "Off", lifted: "Lifted", who: (name, when) => `${name}, ${when}`,
      liftedBy: (name, when, reason) => `lifted by ${name}, ${when}: ${reason}`, over: (reason) => `over: ${reason}`,
    },
    rounds: {
      title: "Training rounds", list: "Rounds, newest first", asked: "Asked for", round: "Round", state: "State", listeners: "Listeners", versions: "Versions",
      detail: "Detail", none: "No round yet. Ask for one, or wait until enough new ratings have come.", ask: "Train now",
      wished: (id) => `Round ${id} is asked for.`, curve: "Curve", curveOf: (id) => `The curve of round ${id}`, versionsOf: "Its versions", mlflow: "Its run in MLflow",
      step: "Step", loss: "Mean loss", noCurve: "No curve is kept for this round.", close: "Close",
      saysCurve: (steps, first, last) => `Mean loss over ${steps} steps, from ${first} to ${last}.`,
      status: { requested: "Requested", running: "Running", trained: "Trained", failed: "Failed", empty: "Nothing to train" },
    },
    engine: {
      title: "Engine", replicas: "Replicas", replica: "Replica", rows: "Rows of the batch", waiting: "Waiting", step: "Last step",
      adapters: "Adapters in memory", held: "Held", none: "No replica answers. See whether Ray runs: ./encore status.",
      of: (some, most) => `${some} of ${most}`, milliseconds: (n) => `${n} ms`,
    },
    feedback: {
      title: "Events", waits: "Waiting to be counted", topic: "Topic", waiting: "Waiting", none: "No topics.",
      sum: (folded, unread) => `${folded} events counted, ${unread} set aside because they could not be read.`,
    },
    refusals: {
      title: "Refusals", list: "Requests refused within a day", status: "Answer", code: "Code", hour: "Last hour", day: "Last day", last: "The last one", none: "Nothing was refused within a day.",
      why: { 401: "came without a valid token", 403: "asked for what they may not", 429: "asked for more than they may have" },
    },
    compare: {
      title: "Two versions side by side", release: "Release", listener: "Listener", make: "Make both",
      hint: "What candidate and champion play a listener of a release: the same words, songs and seed. It is kept nowhere and counts for nothing; that you heard it is recorded.",
      none: "No release yet, so there is nothing to compare.", prompt: "Words", making: "Making both. It takes about as long as they last.",
      first: "Champion", second: "Candidate",
      hear: (name) => `Hear ${name}`, picture: (name) => `Spectrogram of ${name}`,
    },
    versions: {
      title: "Versions", list: "Versions, newest first", listener: "Listener", source: "Learned from this song or track", find: "Find", all: "All of them",
      hint: "What each version learned from, and which versions learned from a song or track.",
      made: "Made", version: "Version", standing: "Now", round: "Round", release: "Release", loss: "Loss, base to own", from: "From", none: "No version yet. A training round makes them.",
      standings: { champion: "Champion", candidate: "Candidate", previous: "The one before" }, past: "In the past", pinned: "pinned",
      sources: "What it learned from", sourcesOf: (version, listener) => `What version ${version} of ${listener} learned from`,
      says: (total, version, snapshot) => `${total} songs and ratings, starting from ${version === null ? "the base" : `version ${version}`}. Snapshot ${snapshot}.`,
      kind: "Kind", kinds: { song: "Song", track: "Rated track" }, which: "Which", words: "Words", stars: "Stars", heard: "Heard", when: "When",
      weight: "Weight", direction: "Direction", towards: "Towards", away: "Away", neither: "Neither", passed: "Not used", back: (id) => `Versions that learned from ${id}`, mlflow: "MLflow",
      moving: (listener) => `What listener ${listener} hears`, movingHint: "A pinned listener hears that version and joins no canary until unpinned.",
      ways: (from, to) => `${from} to ${to}`,
    },
    audit: {
      title: "Who did what", list: "Deeds, newest first", when: "When", who: "Who", what: "What", about: "About", why: "Why", none: "Nobody has done anything yet.",
      did: (action) => action.replace(/[._]/g, " "), by: (name, kind) => `${name}, ${kind}`,
    },
  },
  analyse: {
    picture: "Picture", by: "By", metric: "Metric", arm: "Arm", baseline: "Over", release: "Release", per: "Time", scale: "Scale",
    bounds: "Intervals", everyone: "everyone", outside: "Outside any canary", every: "All releases together", day: "Day",
    arms: { candidate: "candidate", champion: "champion", cold: "cold start", base: "base", previous: "version before" },
    dimensions: { home: "Home", age_band: "Age band", country: "Country", taste: "Taste", device: "Device", tenure: "Tenure", style: "Style of prompt", method: "How it was made" },
    metrics: { stars: "Stars", heard_share: "Share heard", early_skip: "Early skips", completion: "Completions", pair_wins: "Wins of blind pairs" },
    pers: { whole: "The whole time", cumulative: "Up to each day", day: "Each day alone" },
    scales: { absolute: "Absolute", relative: "Relative to the baseline" },
    boundsOf: { own: "Of each cell alone", family: "Of all cells together" },
    shareOfBaseline: "share of the baseline", releaseOf: (id, started) => `${id}, ${started}`,
    axis: (answer, unit) => `${en.analyse.metrics[answer.metric]}: ${less(answer)}, ${unit}`,
    saysForest: (answer, told, silent, bounds) => `${less(answer)} in ${cells(told)}, squares with 95 % intervals ${bounds === "family" ? `that hold for all ${cells(answer.family)} together` : "of each cell alone"}, diamonds drawn to the mean of the cells${silent ? `; ${cells(silent)} cannot be told` : ""}.`,
    saysTime: (answer, shown, silent, more) => `${less(answer)} over time in ${cells(shown)}, with 95 % intervals${silent ? `; a cross is a day of a cell that cannot be told (${silent} of them)` : ""}${more ? `; ${cells(more)} more in the table` : ""}.`,
    interval: {
      anytime: "The intervals stay true however often they are looked at while feedback comes.",
      fixed: "The release is over: the intervals are to be read once.",
    },
    asOf: (when, complete) => `Numbers of ${when}${complete ? ", complete." : "; newer feedback is being counted."}`,
    noDate: "Nothing is counted for this release yet.",
    hidden: "too few listeners to tell apart", noInterval: "too little to tell", numbers: "The numbers", cell: "Cell", estimate: "Uplift",
    between: "95 % interval", shrunken: "Shrunken", corrected: "p, Holm", detectable: "Could detect", listeners: "Listeners",
    observations: "Observations", range: (low, high) => `${low} to ${high}`,
    heterogeneity: (q, free, share, tau) => `Between cells: Q = ${q} on ${free} degrees of freedom, ${share} of the spread is not chance (I²), true differences spread by ${tau} (tau).`,
    csv: "Download as CSV", parquet: "As Parquet", arrow: "As Arrow", report: "The whole release as a page", page: "This picture as a page",
    pageTitle: (answer, when) => `Encore: ${en.analyse.metrics[answer.metric]}, ${less(answer)}, ${when}`, link: "Copy a link to this picture", copied: "Copied", sql: "The SQL that gives these numbers",
    empty: "Nothing to compare here yet. Uplift appears when listeners have rated tracks of both arms; choose another release or comparison.",
    none: "No rows.",
  },
};
