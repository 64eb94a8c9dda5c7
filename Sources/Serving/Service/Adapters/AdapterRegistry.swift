import AdapterFormat
import Foundation
import ModelFiles
public import TinaRuntime
import Support

/// The adapters that a running server answers with, by name.
///
/// Loading makes the whole adapter on a thread of its own, and then puts it in its place in one step. A request uses
/// the old one or the new one to its end. An adapter without requests is freed, and the engine forgets what it cached
/// for it. Loaded adapters are copies: their files may change or go.
public final class AdapterRegistry: Sendable {
  /// What is known of an adapter.
  public struct Description: Sendable, Equatable {
    /// Its name in requests.
    public let name: String
    /// Where it was loaded from.
    public let path: String
    /// Parameters of all its matrices.
    public let parameters: Int
    /// The largest rank of a module.
    public let rank: Int
    /// When it was loaded, in seconds since 1970.
    public let created: Int
    /// What a person should know about it.
    public let notes: [String]
  }

  /// How long the parts of a load took, in seconds.
  public struct Timing: Sendable {
    /// Opening the file and checking what it says.
    public let open: Double
    /// Binding it to the base, and seeing that it has an effect.
    public let attach: Double
    /// Putting it in its place: what requests could notice.
    public let swap: Double
  }

  /// One loaded adapter, attached once for each scale that requests ask for.
  private final class Version: Sendable {
    let description: Description
    let adapter: Adapter
    let source: AdapterSource
    /// The attached adapters by factor: the plain one first, then the others, the one used last at the end.
    let attached: Locked<[(scale: Float, adapter: AttachedAdapter)]>
    /// The digest of its content, once somebody asked for it.
    let digest = Locked<String?>(nil)

    init(_ description: Description, _ adapter: Adapter, _ source: AdapterSource, first: AttachedAdapter) {
      self.description = description
      self.adapter = adapter
      self.source = source
      attached = Locked([(1, first)])
    }
  }

  /// The base's name in requests.
  public let baseName: String
  /// Whether adapters that clients load are attached to other weights than their base's.
  public let allowBaseMismatch: Bool
  /// Whether the digests of adapters that clients load stay uncompared where their file stores numbers plainly.
  public let isTrusted: Bool

  private let engine: Engine
  private let limit: Int
  private let versions = Locked<[String: Version]>([:])
  private let work = SerialWorker("tina adapters")
  /// How many scales of one adapter stay attached. Each takes a few kilobytes and a cached prefix of its own.
  private static let scaleLimit = 16

  /// A registry without adapters.
  ///
  /// - Parameters:
  ///   - engine: computes the answers.
  ///   - baseName: the base's name in requests.
  ///   - limit: how many adapters may be loaded at once.
  ///   - allowBaseMismatch: whether adapters that clients load are attached to other weights than their base's.
  ///   - isTrusted: whether digests of adapters that clients load may stay uncompared.
  public init(
    engine: Engine, baseName: String, limit: Int = 256, allowBaseMismatch: Bool = false,
    isTrusted: Bool = false
  ) {
    self.engine = engine
    self.baseName = baseName
    self.limit = limit
    self.allowBaseMismatch = allowBaseMismatch
    self.isTrusted = isTrusted
  }

  /// Whether an adapter may have this name: 1 to 128 letters, digits and `._/-`.
  public static func isName(_ name: String) -> Bool { ModelReference.isAdapterName(name) }

  /// The adapters, by name.
  public var list: [Description] {
    versions.withLock { $0.values.map(\.description) }.sorted { $0.name < $1.name }
  }

  // MARK: Loading

  /// Loads an adapter under a name.
  ///
  /// - Parameters:
  ///   - name: letters, digits and `._/-`.
  ///   - source: where the adapter is, and how it is attached.
  ///   - replacing: whether an adapter of that name gives way to this one.
  /// - Throws: `ServingError` for a name that is taken or malformed; the errors of `AdapterFormat` and
  ///   `TinaRuntime` for an adapter that can't be used. Then nothing has changed.
  @discardableResult public func load(
    name: String, _ source: AdapterSource, replacing: Bool = false
  ) async throws -> (adapter: Description, timing: Timing) {
    let (version, timing) = try await put(name, source, replacing: replacing)
    return (version.description, timing)
  }

  /// Loads an adapter that a client sent, in the place of an earlier one.
  ///
  /// - Returns: the adapter, and the digest of its content.
  /// - Throws: as ``load(name:_:replacing:)``; `ServingError` where the content is not what the client said.
  func take(
    _ arrived: ArrivingAdapter, _ source: AdapterSource, _ uploads: AdapterUploads
  ) async throws -> (adapter: Description, digest: String) {
    let (version, _) = try await put(
      arrived.name, source, replacing: true, before: { try uploads.complete(arrived) },
      checking: { version in
        let found = Self.digest(version)
        if let wanted = arrived.digest, wanted != found {
          throw ServingError.invalid(
            code: "wrong_digest",
            "found an adapter with the content sha256:\(found), expected sha256:\(wanted), as the address says. Send"
              + " it again.")
        }
      }, after: { try uploads.keep(arrived) })
    return (version.description, Self.digest(version))
  }

  /// Loads an adapter and puts it in its place; the steps of an upload come between.
  private func put(
    _ name: String, _ source: AdapterSource, replacing: Bool,
    before: @escaping @Sendable () throws -> Void = {},
    checking: @escaping @Sendable (Version) throws -> Void = { _ in },
    after: @escaping @Sendable () throws -> Void = {}
  ) async throws -> (version: Version, timing: Timing) {
    guard ModelReference.isAdapterName(name), !name.utf8.elementsEqual(baseName.utf8) else {
      throw ServingError.field(
        "lora_name", found: quoted(name),
        expected: "1 to 128 letters, digits and ._/-, other than the base's name")
    }
    try check(name, replacing, versions.withLock { $0 }).get()
    // All in one piece of work, so that of two uploads the last is served and kept.
    let (version, timing) = try await work.run { [self] in
      try before()
      let began = ContinuousClock.now
      let adapter = try source.open(for: engine.model)
      let opened = ContinuousClock.now
      let attached = try AttachedAdapter(
        adapter, to: engine.model, scale: source.scale, allowBaseMismatch: source.allowBaseMismatch)
      let description = Description(
        name: name, path: source.path, parameters: adapter.parameterCount,
        rank: adapter.modules.map(\.rank).max() ?? 0, created: Int(Date().timeIntervalSince1970),
        notes: adapter.notes + attached.notes)
      let version = Version(description, adapter, source, first: attached)
      let ready = ContinuousClock.now
      try checking(version)
      let swapping = ContinuousClock.now
      let old = try versions.withLock { versions -> Result<Version?, ServingError> in
        check(name, replacing, versions).map { versions.updateValue(version, forKey: name) }
      }.get()
      let timing = Timing(
        open: (opened - began).inSeconds, attach: (ready - opened).inSeconds,
        swap: (ContinuousClock.now - swapping).inSeconds)
      if let old { forget(old) }
      try after()
      return (version, timing)
    }
    return (version, timing)
  }

  /// Removes an adapter. Requests that have begun with it go on.
  ///
  /// - Throws: `ServingError` with status 404 when there is none of that name.
  public func unload(name: String) throws {
    // Only what can be a name is looked up: the hash of other texts may take long.
    guard ModelReference.isAdapterName(name), let old = versions.withLock({ $0.removeValue(forKey: name) })
    else {
      throw ServingError(
        404, "not_found_error", code: "model_not_found", param: "lora_name",
        "lora_name: found \(quoted(name)), expected a loaded adapter"
          + " (\(list.isEmpty ? "none is" : list.map(\.name).prefix(8).joined(separator: ", "))).")
    }
    forget(old)
  }

  private func check(
    _ name: String, _ replacing: Bool, _ versions: [String: Version]
  ) -> Result<Void, ServingError> {
    if versions[name] != nil {
      return replacing
        ? .success(())
        : .failure(
          .invalid(
            param: "lora_name", code: "adapter_exists",
            "lora_name: \(quoted(name)) is loaded already. Unload it first, or replace it with"
              + " \"load_inplace\": true."))
    }
    return versions.count < limit
      ? .success(())
      : .failure(
        .invalid(
          param: "lora_name", code: "too_many_adapters",
          "found \(versions.count) adapters loaded, expected fewer than \(limit). Unload one first."))
  }

  /// The adapters with the digests of their contents, by name. The first call reads their matrices.
  func digests() async throws -> [(adapter: Description, digest: String, scale: Float)] {
    let versions = versions.withLock { Array($0.values) }.sorted { $0.description.name < $1.description.name }
    var all: [(adapter: Description, digest: String, scale: Float)] = []
    for version in versions {
      all.append((version.description, try await digest(version), version.source.scale))
    }
    return all
  }

  private func digest(_ version: Version) async throws -> String {
    if let known = version.digest.withLock({ $0 }) { return known }
    return try await work.run { Self.digest(version) }
  }

  /// Reads the matrices unless the digest is known.
  private static func digest(_ version: Version) -> String {
    if let known = version.digest.withLock({ $0 }) { return known }
    let digest = version.adapter.contentDigest().description
    version.digest.withLock { $0 = digest }
    return digest
  }

  private func forget(_ version: Version) {
    for (_, adapter) in version.attached.withLock({ $0 }) { engine.forget(adapter) }
  }

  // MARK: Resolving

  /// The name to show and the adapter for a request's `model`; the adapter is nil for the base alone.
  ///
  /// - Throws: `ServingError` with status 404 for an unknown name; the base never answers instead.
  func resolve(_ model: String) async throws -> (name: String, adapter: AttachedAdapter?) {
    guard let reference = ModelReference(model, base: baseName), AttachedAdapter.isScale(reference.scale)
    else { throw unreadable(model) }
    guard let name = reference.adapter else { return (baseName, nil) }
    guard let version = versions.withLock({ $0[name] }) else { throw unknown(model) }
    if let wanted = reference.digest {
      let found = try await digest(version)
      guard found == wanted else {
        throw ServingError(
          409, "invalid_request_error", code: "adapter_changed", param: "model",
          "model: found the content sha256:\(found) under the name \(quoted(name)), expected sha256:\(wanted). Send"
            + " that adapter again, or ask for it as it is now.")
      }
    }
    if let known = known(version, reference.scale) { return (model, known) }
    // A new scale is attached on the one worker, so that the same scale is not attached twice.
    return try await work.run { [self] in
      if let known = known(version, reference.scale) { return (model, known) }
      let scale = version.source.scale * reference.scale
      guard AttachedAdapter.isScale(scale) else {
        throw ServingError.field(
          "model", found: "\(quoted(model)), a scale of \(scale) in all", expected: AttachedAdapter.scaleRange
        )
      }
      let new = try AttachedAdapter(
        version.adapter, to: engine.model, scale: scale,
        allowBaseMismatch: version.source.allowBaseMismatch)
      let dropped = version.attached.withLock { attached in
        attached.append((reference.scale, new))
        // The first is the adapter under its plain name, and stays.
        return attached.count > Self.scaleLimit ? attached.remove(at: 1) : nil
      }
      if let dropped { engine.forget(dropped.adapter) }
      return (model, new)
    }
  }

  private func known(_ version: Version, _ scale: Float) -> AttachedAdapter? {
    version.attached.withLock { attached in
      guard let place = attached.firstIndex(where: { $0.scale == scale }) else { return nil }
      let found = attached[place]
      if place > 0 {
        attached.remove(at: place)
        attached.append(found)
      }
      return found.adapter
    }
  }

  /// The error for a text that is no model's name, or names an adapter with a scale that can't be.
  private func unreadable(_ model: String) -> ServingError {
    let bytes = model.utf8
    guard let at = bytes.lastIndex(of: UInt8(ascii: "@")), Float(model[bytes.index(after: at)...]) != nil,
      let reference = ModelReference(String(model[..<at]), base: baseName), let name = reference.adapter,
      versions.withLock({ $0[name] }) != nil
    else { return unknown(model) }
    return .field(
      "model", found: quoted(model), expected: "behind the @ a scale: " + AttachedAdapter.scaleRange)
  }

  private func unknown(_ model: String) -> ServingError {
    .unknownModel(model, known: [baseName] + list.map(\.name))
  }
}
