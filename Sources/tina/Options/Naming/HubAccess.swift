import Evaluation
import Foundation
import Hub
import ModelFiles
import Problems
import Support
import TinaRuntime

/// Finds models and adapters by their names on the hub: in its cache, or fetched.
enum HubAccess {
  /// The path of something on this machine. A path stays as it is; a name on the hub is looked up, and fetched if need
  /// be.
  ///
  /// - Parameters:
  ///   - text: a path, or `org/name[/folder][@revision]`.
  ///   - want: what is needed of it.
  static func path(_ text: String, want: HubWant) throws -> String {
    let path = expandingTilde(text)
    // A path that exists always wins.
    if FileManager.default.fileExists(atPath: path) || !HubName.isMeant(by: text) {
      if let gap = HubCache.gap(at: path, want: want) { throw gap }
      return path
    }
    let name = try HubName(text)
    let hub = try HubSession(HubSettings()) { Terminal.note($0) }
    do {
      return try fetch(hub, name, want)
    } catch let error as HubError where [.notFound, .offline, .unreachable].contains(error.kind) {
      throw CommandError("\(printable(text)) is no file or folder here. On the hub: \(error)")
    }
  }

  /// The path of a file of problems, which may be named as `hf://datasets/org/name/file`, or without the file where the
  /// repository has one that it can be.
  static func data(_ text: String) throws -> String {
    guard text.hasPrefix("hf://") else { return text }
    let name = try HubName(text)
    guard name.kind == .dataset, name.path.isEmpty else { return try path(text, want: .all) }
    let hub = try HubSession(HubSettings()) { Terminal.note($0) }
    if hub.settings.isOffline {
      let folder = try path(text, want: .all)
      let files = FileManager.default.enumerator(atPath: folder)?.prefix(10_000).compactMap { $0 as? String }
      return folder + "/" + (try DataRepository.file(of: files ?? [], in: "\(name)"))
    }
    let file = try DataRepository.file(of: hub.plan(name, want: .all).files.map(\.path), in: "\(name)")
    let revision = name.revision.map { "@" + $0 } ?? ""
    return try path("hf://datasets/\(name.repository)\(revision)/\(file)", want: .all)
  }

  /// Fetches the problems of a known benchmark unless they are on this machine.
  static func fetchBenchmark(_ named: String, folder: String?) throws {
    guard let repositories = Benchmark.repositories(toFetch: named, folder: folder) else { return }
    let hub = try HubSession(HubSettings()) { Terminal.note($0) }
    if hub.settings.isOffline { return }
    var failure: HubError?
    for repository in repositories {
      do throws(HubError) {
        let name = try HubName(kind: .dataset, repository: repository)
        let all = try hub.plan(name, want: .all)
        guard let file = Benchmark.best(of: all.files.map(\.path)) else { continue }
        let plan = try hub.plan(name, want: .either, include: [file])
        Terminal.note(
          "fetching \(plan.name)/\(printable(file)) from \(hub.settings.endpointText):"
            + " \(byteText(plan.missingByteCount))")
        let line = ProgressLine()
        defer { line.end() }
        _ = try hub.fetch(plan) { line.show($0) }
        return
      } catch {
        failure = failure ?? error
      }
    }
    throw CommandError(
      "the benchmark \(named) is not on this machine. On the hub: "
        + (failure.map { "\($0)" } ?? "no file of problems in \(repositories.joined(separator: ", "))."))
  }

  private static func fetch(_ hub: HubSession, _ name: HubName, _ want: HubWant) throws -> String {
    let line = ProgressLine()
    defer { line.end() }
    return try hub.locate(
      name, want: want,
      onFetch: { plan in
        Terminal.note(
          "fetching \(plan.name) from \(hub.settings.endpointText): \(byteText(plan.missingByteCount)) in"
            + " \(Figures.count(plan.files.count { !$0.isCached }, "file"))")
        noteSkipped(plan)
      },
      onProgress: { line.show($0) })
  }

  /// The base that an adapter on the hub names in its configuration. Nil for a local adapter, and for a base that is
  /// neither on the hub nor on this machine.
  static func base(of adapter: AdapterSource) throws -> String? {
    guard adapter.isOnHub else { return nil }
    let folder = try adapter.resolved().path
    let config = folder.hasSuffix(".safetensors") ? (folder as NSString).deletingLastPathComponent : folder
    guard let base = HubSession.baseName(configuration: config + "/adapter_config.json") else { return nil }
    let isThere = FileManager.default.fileExists(atPath: base)
    guard isThere || HubName.isMeant(by: base) else { return nil }
    Terminal.note("base: \(printable(base)), as the adapter says")
    return base
  }

  /// Tells which files of a repository are left out, and which of them are pickles.
  static func noteSkipped(_ plan: HubPlan) {
    let pickles = plan.skipped.filter(\.isPickle)
    if let first = pickles.first {
      let more = pickles.count > 1 ? " and \(pickles.count - 1) more" : ""
      Terminal.note(
        "left out: Python pickles, which can run code (\(printable(first.path))\(more),"
          + " \(byteText(pickles.reduce(0) { $0 + $1.size })))")
    }
    let others = plan.skipped.filter { !$0.isPickle }
    if !others.isEmpty {
      let names = others.prefix(3).map { printable($0.path) }.joined(separator: ", ")
      Terminal.note(
        "left out: \(Figures.count(others.count, "file")) that Tina does not read (\(names)"
          + "\(others.count > 3 ? ", …" : ""), \(byteText(others.reduce(0) { $0 + $1.size })))")
    }
  }
}
