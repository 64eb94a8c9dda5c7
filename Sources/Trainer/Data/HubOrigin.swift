import Foundation
import ModelFiles

/// Where on the Hugging Face hub a file in its cache comes from.
struct HubOrigin: Equatable {
  /// `org/name`.
  let repository: String
  let isData: Bool
  /// The commit.
  let revision: String
  /// The file or folder in the repository; empty for the whole.
  let file: String

  /// Nil for a path outside the cache, whose folders are `datasets--org--name/snapshots/COMMIT`.
  init?(path: String) {
    let parts = path.split(separator: "/").map(String.init)
    guard let place = parts.indices.last(where: { parts[$0] == "snapshots" }), place > 0,
      place + 1 < parts.count
    else { return nil }
    let folder = parts[place - 1]
    isData = folder.hasPrefix("datasets--")
    guard isData || folder.hasPrefix("models--"), parts[place + 1].utf8.allSatisfy(Self.isHexadecimal) else {
      return nil
    }
    repository = folder.dropFirst(isData ? 10 : 8).replacingOccurrences(of: "--", with: "/")
    revision = parts[place + 1]
    file = parts[(place + 2)...].joined(separator: "/")
  }

  private static func isHexadecimal(_ byte: UInt8) -> Bool {
    (48...57).contains(byte) || (97...102).contains(byte)
  }

  /// As `tina train` takes it, with its revision.
  var address: String {
    "hf://" + (isData ? "datasets/" : "") + repository + "@" + revision + (file.isEmpty ? "" : "/" + file)
  }

  /// For the files of a run.
  var json: JSONValue {
    .record(["repository": .string(repository), "revision": .string(revision), "file": .string(file)])
  }
}
