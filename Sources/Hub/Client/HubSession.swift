import Foundation
public import ModelFiles
import Support

/// Fetches from the hub into the cache on disk.
public final class HubSession: Sendable {
  /// The addresses of hub and cache, and the token.
  public let settings: HubSettings
  /// The cache.
  public let cache: HubCache
  /// Files fetched at once.
  let parallel: Int
  let pacing: Pacing
  private let stop = StopFlag()
  /// Called on any thread with what a user should know.
  let onNote: @Sendable (String) -> Void

  /// A hub as the settings say.
  ///
  /// - Parameter onNote: called on any thread with what a user should know, one sentence at a time.
  public convenience init(
    _ settings: HubSettings, onNote: @escaping @Sendable (String) -> Void = { _ in }
  ) { self.init(settings, parallel: 4, pacing: Pacing(), onNote: onNote) }

  init(
    _ settings: HubSettings, parallel: Int = 4, pacing: Pacing,
    onNote: @escaping @Sendable (String) -> Void = { _ in }
  ) {
    self.settings = settings
    cache = HubCache(root: settings.cache)
    self.parallel = parallel
    self.pacing = pacing
    self.onNote = onNote
  }

  /// Stops all calls under way: they throw an error of kind `cancelled`. What is fetched is kept.
  public func cancel() { stop.set() }

  private func client(_ ending: StopFlag? = nil) throws(HubError) -> HubClient {
    let client = try HubClient(settings, pacing: pacing, stop: ending ?? stop)
    client.onWait = onNote
    return client
  }

  /// Asks the hub what a name holds, and chooses the files to fetch.
  ///
  /// - Parameters:
  ///   - include: patterns of further files; with them alone nothing else is chosen unless a kind is wanted.
  ///   - exclude: patterns of files to leave out.
  /// - Throws: ``HubError``.
  public func plan(
    _ name: HubName, want: HubWant = .either, include: [String] = [], exclude: [String] = []
  ) throws(HubError) -> HubPlan {
    guard !settings.isOffline else {
      throw HubError(
        .offline, file: "\(name)", found: "HF_HUB_OFFLINE is set",
        expected: "to ask \(settings.endpointText)",
        advice: "Unset it; what is in the cache already is found by its name without this.")
    }
    let client = try client()
    let commit = try client.commit(of: name)
    let isDeep = want == .all || !include.isEmpty
    let listing = try list(client, name, commit, isDeep)
    let selection = try HubSelection(listing, of: name, want: want, include: include, exclude: exclude)
    let missing = selection.files.filter {
      HubCache.size(cache.blob($0.digest, of: name)) != $0.size
        && HubCache.size(cache.snapshot(commit, of: name) + "/" + $0.path) != $0.size
    }
    let prefix = name.path.isEmpty ? "" : name.path + "/"
    let paths = Set(listing.files.map(\.path))
    return HubPlan(
      name: name, commit: commit, selected: selection.files, missing: missing, left: selection.skipped,
      single: selection.single, hasModel: selection.hasModel, hasAdapter: selection.hasAdapter,
      absent: want == .description || selection.hasModel && selection.single == nil
        ? HubSelection.optionalNames.map { prefix + $0 }.filter { !paths.contains($0) } : [])
  }

  /// The list of a named folder, or of the folder that holds a named file.
  private func list(
    _ client: HubClient, _ name: HubName, _ commit: String, _ isDeep: Bool
  ) throws(HubError) -> HubListing {
    let parts = name.path.split(separator: "/")
    let parent = parts.dropLast().joined(separator: "/")
    let fileEndings = [
      ".gguf", ".safetensors", ".tina", ".json", ".jsonl", ".jinja", ".md", ".txt", ".parquet",
    ]
    if !fileEndings.contains(where: name.path.hasSuffix) {
      do throws(HubError) {
        let listing = try client.listing(of: name, commit: commit, folder: name.path, isDeep: isDeep)
        if name.path.isEmpty || !listing.files.isEmpty || !listing.folders.isEmpty { return listing }
      } catch {
        guard error.kind == .notFound, !parts.isEmpty else { throw error }
      }
    }
    let listing = try client.listing(of: name, commit: commit, folder: parent)
    if listing.files.contains(where: { $0.path == name.path }) { return listing }
    let there = (listing.folders.map { $0 + "/" } + listing.files.map(\.path))
    throw HubError(
      .notFound, file: "\(name)", found: "no \(quoted(name.path)) in \(name.repository)",
      expected: "a folder or a file",
      advice: there.isEmpty
        ? "" : "There is \(there.prefix(20).joined(separator: ", "))\(there.count > 20 ? ", …" : "").")
  }

  func offline(_ name: HubName, want: HubWant = .either) -> HubError {
    if let remains = cache.remains(of: name, want: want) {
      return HubError(
        .offline, file: "\(name)",
        found: "a part of it in the cache (\(remains.text); \(cache.root)), and HF_HUB_OFFLINE is set",
        expected: "all of it",
        advice: "Unset HF_HUB_OFFLINE and fetch the rest: tina pull \(name)")
    }
    return HubError(
      .offline, file: "\(name)",
      found: "nothing of it in the cache (\(cache.root)), and HF_HUB_OFFLINE is set",
      expected: "a model or adapter on this machine",
      advice: "Check the name or path, or unset HF_HUB_OFFLINE.")
  }

  /// Fetches what a plan lists and makes it visible in the cache, whole or not at all.
  ///
  /// - Parameter onProgress: called on any thread, one call at a time.
  /// - Throws: ``HubError``; what is fetched by then is kept, and the next try goes on from there.
  public func fetch(
    _ plan: HubPlan, onProgress: @escaping @Sendable (HubProgress) -> Void = { _ in }
  ) throws(HubError) -> HubPulled {
    if !plan.missing.isEmpty {
      try checkRoom(plan)
      try cache.prepare(plan.name)
      try download(plan, onProgress)
    }
    try publish(plan)
    let snapshot = cache.snapshot(plan.commit, of: plan.name)
    let lacking = Set(plan.missing.map(\.digest))
    let place = plan.single?.path ?? plan.name.path
    var baseName: String?
    if plan.hasAdapter {
      let config = plan.selected.first { $0.name == "adapter_config.json" }
      baseName = config.flatMap { Self.baseName(configuration: snapshot + "/" + $0.path) }
    }
    return HubPulled(
      name: plan.name, commit: plan.commit, path: snapshot + (place.isEmpty ? "" : "/" + place),
      files: plan.selected.map {
        .init(path: $0.path, size: $0.size, wasCached: !lacking.contains($0.digest))
      },
      skipped: plan.left.map { ($0.path, $0.size) }, baseName: baseName)
  }

  private func publish(_ plan: HubPlan) throws(HubError) {
    let snapshot = cache.snapshot(plan.commit, of: plan.name)
    let isThere = plan.selected.allSatisfy { HubCache.size(snapshot + "/" + $0.path) == $0.size }
    if !isThere {
      try cache.prepare(plan.name)
      try cache.publish(
        plan.selected, commit: plan.commit, of: plan.name, avoidsLinks: settings.avoidsLinks)
    }
    for path in plan.absent { cache.noteAbsent(path, commit: plan.commit, of: plan.name) }
    // The revision comes last, so that it names a whole snapshot.
    do throws(HubError) {
      try cache.setCommit(plan.commit, of: plan.name)
    } catch {
      // A cache that another user owns may be read-only, and everything is there.
      if !isThere { throw error }
    }
  }

  /// Checks that the disk has room for what is missing, and 16 MiB more for other programs.
  private func checkRoom(_ plan: HubPlan) throws(HubError) {
    var needed = 0
    for file in Self.distinct(plan.missing) {
      let there = HubCache.size(cache.blob(file.digest, of: plan.name) + ".incomplete") ?? 0
      let (sum, overflow) = needed.addingReportingOverflow(max(file.size - there, 0))
      needed = overflow ? .max : sum
    }
    guard let free = cache.freeBytes() else { return }
    let margin = 16 << 20
    if needed > max(free - margin, 0) {
      throw HubError(
        .unwritable, file: "\(plan.name)", found: "\(byteText(free)) free in \(cache.root)",
        expected: "room for \(byteText(needed))",
        advice: "Make room, or set HF_HOME to a folder on a larger disk.")
    }
  }

  /// Files with the same contents are one blob.
  private static func distinct(_ files: [HubFile]) -> [HubFile] {
    var seen: Set<String> = []
    return files.filter { seen.insert($0.digest).inserted }
  }

  private func download(
    _ plan: HubPlan, _ onProgress: @escaping @Sendable (HubProgress) -> Void
  ) throws(HubError) {
    // The largest file first, so that all threads end at about the same time.
    // A failure ends the other transfers too, instead of waiting for whole files.
    let ending = StopFlag(within: stop)
    let queue = HubQueue(Self.distinct(plan.missing).sorted { $0.size > $1.size }, ending, onProgress)
    let group = DispatchGroup()
    for _ in 0..<min(parallel, queue.count) {
      group.enter()
      Thread.detachNewThread { [self] in
        defer { group.leave() }
        do throws(HubError) {
          let fetch = BlobFetch(
            client: try client(ending), cache: cache, name: plan.name, commit: plan.commit, stop: ending,
            onBytes: { queue.add($0, isNew: $1) }, onNote: onNote)
          while let file = queue.next() { try fetch.fetch(file) }
        } catch {
          queue.fail(error)
        }
      }
    }
    group.wait()
    if let error = queue.error { throw error }
  }

  /// The base that an adapter's configuration names, by PEFT's key or MLX's; nil if it names none.
  public static func baseName(configuration path: String) -> String? {
    guard let object = try? JSON.parse(path: path, maximumByteCount: 16 << 20).object else { return nil }
    let name = object["base_model_name_or_path"]?.string ?? object["model"]?.string
    guard let name, !name.isEmpty else { return nil }
    if let revision = object["revision"]?.string, !revision.isEmpty, revision != "main", !name.contains("@") {
      return name + "@" + revision
    }
    return name
  }
}
