import Foundation
package import Testing

/// Where the repository lies, from where this file lies.
package enum Checkout {
  package static let root = URL(fileURLWithPath: #filePath)
    .deletingLastPathComponent().deletingLastPathComponent().deletingLastPathComponent().path

  /// The path of something in the repository.
  package static func path(_ name: String) -> String { root + "/" + name }

  package static func contains(_ name: String) -> Bool { FileManager.default.fileExists(atPath: path(name)) }
}

/// The small trained model of the repository, and an adapter for it.
package let pico = Checkout.path("Models/pico")
package let picoAdapter = Checkout.path("Models/pico/adapter")

/// A tiny random model or adapter (Tests/RuntimeTests/Fixtures/README.md).
package func tiny(_ name: String) -> String { Checkout.path("Tests/RuntimeTests/Fixtures/" + name) }

/// A file in the fixtures of the calling test target.
package func fixture(_ name: String, caller: String = #fileID) -> String {
  Checkout.path("Tests/\(caller.prefix { $0 != "/" })/Fixtures/\(name)")
}

/// Real files that only some machines have, below `$TINA_SHARED/data` or `../shared/data`; nil elsewhere.
package func shared(_ name: String) -> String? {
  let root = ProcessInfo.processInfo.environment["TINA_SHARED"] ?? Checkout.path("../shared")
  let file = root + "/data/" + name
  return FileManager.default.fileExists(atPath: file) ? file : nil
}

extension Trait where Self == ConditionTrait {
  /// Skips tests where the small model or its adapter is missing.
  package static var needsPico: Self {
    .enabled(
      if: Checkout.contains("Models/pico/model.safetensors") && Checkout.contains("Models/pico/adapter"),
      "Models/pico or its adapter is not in this checkout")
  }

  /// Skips tests where the real files under `name` are missing.
  package static func needsShared(_ name: String) -> Self {
    .enabled(if: shared(name) != nil, "shared/data/\(name) is not beside the checkout")
  }
}
