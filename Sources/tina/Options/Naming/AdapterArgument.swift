public import ArgumentParser
import Foundation
import Hub
public import TinaRuntime

/// An adapter as it is named on the command line: `PATH[:layers=N][@FACTOR]`, or `org/name[/folder][@revision]` in the
/// place of the path. A name on the hub stays as it was typed until it is resolved.
extension AdapterSource: ExpressibleByArgument {
  /// What shells offer.
  public static var defaultCompletionKind: CompletionKind { .modelOrAdapter }

  /// Reads an argument; nil for an empty one.
  public init?(argument: String) {
    let exists = { FileManager.default.fileExists(atPath: expandingTilde($0)) }
    var rest = argument
    var scale: Float = 1
    var layers: Int?
    // A path that exists as it stands is one, whatever is in its name.
    if !exists(rest), let at = rest.lastIndex(of: "@"), let factor = Float(rest[rest.index(after: at)...]),
      factor.isFinite
    {
      scale = factor
      rest = String(rest[..<at])
    }
    if !exists(rest), let range = rest.firstRange(of: ":layers="), let count = Int(rest[range.upperBound...]),
      count > 0
    {
      layers = count
      rest = String(rest[..<range.lowerBound])
    }
    if rest.isEmpty { return nil }
    self.init(path: expandingTilde(rest), layers: layers, scale: scale)
  }

  /// Whether it is named as on the hub and is no path on this machine.
  var isOnHub: Bool { !FileManager.default.fileExists(atPath: path) && HubName.isMeant(by: path) }

  /// The same adapter by its path on this machine; one on the hub is fetched unless the cache has it.
  func resolved() throws -> AdapterSource {
    var source = self
    source.path = try HubAccess.path(path, want: .adapter)
    return source
  }
}

/// `NAME=ADAPTER`, or an adapter alone, whose last folder or file is then its name.
struct NamedAdapter: ExpressibleByArgument {
  static let defaultCompletionKind = CompletionKind.modelOrAdapter

  let name: String
  let source: AdapterSource
  /// Whether the name was given.
  let isNamed: Bool

  init?(argument: String) {
    let parts = argument.split(separator: "=", maxSplits: 1, omittingEmptySubsequences: false)
    // A path with "=" in it, such as a folder of a run's settings, is no name.
    if parts.count == 2, !parts[0].contains("/"), !parts[0].isEmpty, !parts[0].hasSuffix(":layers") {
      guard let source = AdapterSource(argument: String(parts[1])) else { return nil }
      self.init(name: String(parts[0]), source, isNamed: true)
    } else {
      guard let source = AdapterSource(argument: argument) else { return nil }
      self.init(source)
    }
  }

  private init(name: String, _ source: AdapterSource, isNamed: Bool = false) {
    self.name = name
    self.source = source
    self.isNamed = isNamed
  }

  /// Names an adapter by the last part of its path.
  init(_ source: AdapterSource) {
    let hubName = source.isOnHub ? try? HubName(source.path) : nil
    let url = URL(
      fileURLWithPath: hubName.map { $0.path.isEmpty ? $0.repository : $0.path } ?? source.path)
    self.init(
      name: (["tina", "gguf"].contains(url.pathExtension) ? url.deletingPathExtension() : url)
        .lastPathComponent,
      source)
  }
}

/// A path with the user's folder in place of a leading `~`.
func expandingTilde(_ path: String) -> String { NSString(string: path).expandingTildeInPath }
