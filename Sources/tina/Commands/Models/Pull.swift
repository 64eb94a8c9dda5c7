import ArgumentParser
import Foundation
import Hub
import ModelFiles
import Support

struct Pull: ParsableCommand {
  static let configuration = CommandConfiguration(
    abstract: "Fetches a model or an adapter from the Hugging Face hub into its cache.",
    usage: "tina pull <org/name>[/<folder or file>][@<revision>] ... [<options>]",
    discussion: """
      The command fetches what is needed: configuration, tokenizer and safetensors weights of a model; the matrices \
      and configuration of an adapter, and then its base (--no-base leaves it out); the one GGUF file that is there \
      or is named. It says what it leaves out. It fetches Python pickles only with --include or --all.

      Files go into the cache that all of Hugging Face's programs share (HF_HOME, HF_HUB_CACHE), and what they have \
      fetched is found there. Every file is checked against the hub's digest. An interrupted pull continues where it \
      ended. The other commands take the same names and fetch what is missing; pull also asks the hub whether there \
      is something newer.

      It prints the path of what was named, then the path of its base.

      ENVIRONMENT: HF_ENDPOINT (another hub), HF_TOKEN or the file token in HF_HOME (private and gated \
      repositories), HF_HUB_OFFLINE (ask nobody), and HTTPS_PROXY.

      EXAMPLES:
        tina pull deepseek-ai/DeepSeek-R1-Distill-Qwen-1.5B
        tina pull Tina-Yi/R1-Distill-Qwen-1.5B-STILL/checkpoint-2000
        tina pull org/name-GGUF/name-Q8_0.gguf
        tina pull Qwen/Qwen2.5-1.5B@main --dry-run
        tina pull --list
        tina pull --remove org/name
      """)

  @Argument(help: ArgumentHelp("What to fetch.", valueName: "name"))
  var names: [String] = []

  @Flag(inversion: .prefixedNo, help: "Fetch the base of an adapter too.")
  var base = true

  @Flag(help: "Fetch every file, in folders too, and pickles.")
  var all = false

  @Option(
    help: ArgumentHelp(
      "Fetch only files that match; repeatable.", valueName: "pattern"))
  var include: [String] = []

  @Option(help: ArgumentHelp("Leave out files that match; repeatable.", valueName: "pattern"))
  var exclude: [String] = []

  @Flag(help: "Show what would be fetched, and fetch nothing.")
  var dryRun = false

  @Flag(help: "Show what the cache holds.")
  var list = false

  @Flag(help: "Remove what the cache holds of the repositories named.")
  var remove = false

  @Flag(help: "Print one JSON object for each name instead of paths.")
  var json = false

  func validate() throws {
    if remove {
      if names.isEmpty || list || all || !include.isEmpty || !exclude.isEmpty {
        throw ValidationError(
          "--remove takes names of repositories, and no other option than --dry-run and --json.")
      }
      for name in names {
        if let name = try? HubName(name), !name.path.isEmpty || name.revision != nil {
          throw ValidationError("--remove: found \(name), expected a whole repository, as org/name.")
        }
      }
    } else if list {
      if !names.isEmpty || all || dryRun || !include.isEmpty || !exclude.isEmpty {
        throw ValidationError("--list shows what the cache holds: give it without names and other options.")
      }
    } else if names.isEmpty {
      throw ValidationError("found no name, expected org/name, or --list.")
    }
    if all, !include.isEmpty { throw ValidationError("--all fetches everything: give it without --include.") }
    for name in names {
      do { _ = try HubName(name) } catch { throw ValidationError("\(error)") }
    }
  }

  func run() throws {
    let settings = try HubSettings()
    let hub = HubSession(settings) { Terminal.note($0) }
    if list {
      let contents = hub.cache.contents()
      if contents.isEmpty {
        Terminal.note("the cache \(hub.cache.root) is empty: tina pull org/name fetches into it")
      }
      return try show(contents)
    }
    if remove {
      for name in names { try remove(HubName(name), hub.cache) }
      return
    }
    for name in names { try pull(HubName(name), hub) }
  }

  private func remove(_ name: HubName, _ cache: HubCache) throws {
    let byteCount = try cache.remove(name, isTrial: dryRun)
    if json {
      try Terminal.writeData(
        JSONValue.record([
          "name": .string("\(name)"), "freed_bytes": .integer(byteCount), "removed": .bool(!dryRun),
        ]).line)
    } else {
      try Terminal.writeLine("\(name): \(byteText(byteCount)) \(dryRun ? "would be" : "were") removed")
    }
  }

  private func pull(_ name: HubName, _ hub: HubSession) throws {
    let plan = try hub.plan(name, want: all ? .all : .either, include: include, exclude: exclude)
    try tell(plan)
    if dryRun {
      if json { try Terminal.writeData(Self.json(plan).line) }
      return
    }
    let pulled = try fetch(plan, hub)
    var basePulled: HubPulled?
    if let baseName = pulled.baseName {
      if !base {
        Terminal.note("the base, \(printable(baseName)), is left out")
      } else if let name = Self.hubName(ofBase: baseName) {
        Terminal.note("its base is \(name)")
        let plan = try hub.plan(name, want: .model)
        try tell(plan)
        basePulled = try fetch(plan, hub)
      } else {
        Terminal.note(
          "its base is called \(quoted(baseName)), which is no name on the hub: find out which model that is")
      }
    }
    if json {
      try Terminal.writeData(Self.json(pulled, base: basePulled).line)
    } else {
      try Terminal.writeData(pulled.path)
      if let basePulled { try Terminal.writeData(basePulled.path) }
    }
  }

  /// A base's name, if it can be on the hub: old repositories have no organisation.
  private static func hubName(ofBase text: String) -> HubName? {
    guard !text.hasPrefix("/"), !text.hasPrefix("."), !text.hasPrefix("~") else { return nil }
    guard let name = try? HubName(text), name.path.isEmpty else { return nil }
    return name
  }

  private func tell(_ plan: HubPlan) throws {
    var text =
      "\(plan.name) at \(plan.commit.prefix(12)): \(Figures.count(plan.fileCount, "file")), \(byteText(plan.byteCount))"
    if plan.missingByteCount < plan.byteCount || plan.byteCount == 0 {
      text +=
        plan.missingByteCount == 0 ? ", all in the cache" : ", \(byteText(plan.missingByteCount)) to fetch"
    }
    Terminal.note(text)
    if dryRun, !json {
      for file in plan.files {
        try Terminal.writeLine(
          "\(file.isCached ? "cached" : "fetch ")  \(byteText(file.size))\t\(printable(file.path))")
      }
    }
    HubAccess.noteSkipped(plan)
  }

  private func fetch(_ plan: HubPlan, _ hub: HubSession) throws -> HubPulled {
    let line = ProgressLine()
    defer { line.end() }
    return try hub.fetch(plan) { line.show($0) }
  }

  private static func json(_ plan: HubPlan) -> JSONValue {
    let files: [JSONValue] = plan.files.map { file in
      let fields: KeyValuePairs<String, JSONValue> = [
        "path": .string(file.path), "size": .integer(file.size), "cached": .bool(file.isCached),
      ]
      return .record(fields)
    }
    return .record([
      "name": .string("\(plan.name)"), "commit": .string(plan.commit), "bytes": .integer(plan.byteCount),
      "missing_bytes": .integer(plan.missingByteCount), "files": .array(files),
      "skipped": .array(plan.skipped.map { skipped($0.path, $0.size) }),
    ])
  }

  private static func skipped(_ path: String, _ size: Int) -> JSONValue {
    let fields: KeyValuePairs<String, JSONValue> = ["path": .string(path), "size": .integer(size)]
    return .record(fields)
  }

  private static func json(_ pulled: HubPulled, base: HubPulled?) -> JSONValue {
    let files: [JSONValue] = pulled.files.map { file in
      let fields: KeyValuePairs<String, JSONValue> = [
        "path": .string(file.path), "size": .integer(file.size), "cached": .bool(file.wasCached),
      ]
      return .record(fields)
    }
    return .record([
      "name": .string("\(pulled.name)"), "commit": .string(pulled.commit), "path": .string(pulled.path),
      "bytes": .integer(pulled.byteCount), "fetched_bytes": .integer(pulled.fetchedByteCount),
      "files": .array(files), "skipped": .array(pulled.skipped.map { skipped($0.path, $0.size) }),
      "base_name": pulled.baseName.map { .string($0) } ?? .null,
      "base": base.map { json($0, base: nil) } ?? .null,
    ])
  }

  private func show(_ contents: [HubCache.Content]) throws {
    if json {
      for content in contents {
        let fields: KeyValuePairs<String, JSONValue> = [
          "name": .string(content.name), "commit": .string(content.commit),
          "revisions": .array(content.revisions.map { .string($0) }), "path": .string(content.path),
          "files": .integer(content.fileCount), "bytes": .integer(content.byteCount),
          "complete": .bool(content.gap == nil), "gap": content.gap.map { .string($0) } ?? .null,
        ]
        try Terminal.writeData(JSONValue.record(fields).line)
      }
      return
    }
    let rows = contents.map { content in
      [
        printable(content.name), content.revisions.map { printable($0) }.joined(separator: ", "),
        String(content.commit.prefix(12)), Figures.count(content.fileCount, "file"),
        byteText(content.byteCount), content.gap.map { visible($0) } ?? "",
      ]
    }
    for line in Figures.table(rows, left: [1, 2, 5]) { try Terminal.writeLine(line) }
  }
}
