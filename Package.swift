// swift-tools-version: 6.2
import Foundation
import PackageDescription

// Documentation is built with `TINA_DOCS=1 swift package generate-documentation`;
// everyone else is spared the plugin.
let docs = ProcessInfo.processInfo.environment["TINA_DOCS"] != nil
// Warnings are errors in CI; a newer compiler's new warning must not stop a user.
let strict = ProcessInfo.processInfo.environment["TINA_STRICT"] != nil

// Optimises what computes in debug builds, because tests do arithmetic: without it Swift's is 25 times as slow, and
// that of C 110 times. All else stays as the compiler has it: the optimiser takes four times as long as the compiler.
// scripts/lib.sh sets it. `c` is for the sanitizers: Swift's optimiser takes longer than what it saves there.
// A package with `unsafeFlags` can't be depended on by version, so ordinary builds have none; the kernels' arithmetic
// is settled in Sources/CKernels/dispatch/kernel.h.
let optimised = ProcessInfo.processInfo.environment["TINA_OPTIMISED"]
let optimisesSwift = optimised != nil && optimised != "c"

/// Applied to every Swift target. Each line is a promise the compiler keeps.
let house: [SwiftSetting] =
  [
    .strictMemorySafety(),  // every unchecked step is spelled `unsafe`
    .enableUpcomingFeature("ExistentialAny"),  // SE-0335
    .enableUpcomingFeature("InternalImportsByDefault"),  // SE-0409
    .enableUpcomingFeature("MemberImportVisibility"),  // SE-0444
    .enableExperimentalFeature("Lifetimes"),  // @_lifetime on views over a map
  ]
  + (strict ? [.treatAllWarnings(as: .error)] : [])

/// For the targets that compute. A module is optimised as a whole, which takes three quarters of the time of its files
/// one by one; two threads write an object file for each, as SwiftPM expects.
let computing: [SwiftSetting] =
  house
  + (optimisesSwift
    ? [
      .unsafeFlags(
        ["-O", "-whole-module-optimization", "-num-threads", "2"], .when(configuration: .debug))
    ] : [])

/// Describing what is inlined a hundred times takes as long as compiling it, and checking each access in place three
/// times as long. So kernels have no debug information, AddressSanitizer's checks are calls, and what the tests under
/// the sanitizers never reach is left out or not checked.
let houseC: [CSetting] =
  (optimised != nil ? [.unsafeFlags(["-O2", "-g0"], .when(configuration: .debug))] : [])
  + (optimised == "c"
    ? [
      .unsafeFlags([
        "-mllvm", "-asan-instrumentation-with-call-threshold=100",
        "-fsanitize-ignorelist=\(Context.packageDirectory)/scripts/unsanitized.txt", "-DTK_PORTABLE_INTEGERS",
      ])
    ] : [])
  + (strict ? [.treatAllWarnings(as: .error)] : [])

// From which commit the program is built, as scripts/package and scripts/install tell. A manifest that asked git would
// be wrong: SwiftPM keeps what a manifest said until its text or the environment changes.
let commit = ProcessInfo.processInfo.environment["TINA_COMMIT"]
  .flatMap {
    $0.allSatisfy { $0.isASCII && ($0.isLetter || $0.isNumber || $0 == "+") } && !$0.isEmpty ? $0 : nil
  }

// Linux has RE2 in the usual places, and its pkg-config names a flag there that SwiftPM warns of.
#if os(macOS)
  let re2: String? = "re2"
#else
  let re2: String? = nil
#endif

let package = Package(
  name: "tina",
  platforms: [.macOS(.v26)],
  products: [
    .library(name: "AdapterFormat", targets: ["AdapterFormat"]),
    .library(name: "TinaRuntime", targets: ["TinaRuntime"]),
    .library(name: "Merging", targets: ["Merging"]),
    .library(name: "Trainer", targets: ["Trainer"]),
    .executable(name: "tina", targets: ["tina"]),
  ],
  traits: [
    .trait(name: "Server", description: "The HTTP server behind `tina serve`; the only user of SwiftNIO."),
    .default(enabledTraits: ["Server"]),
  ],
  dependencies: [
    .package(url: "https://github.com/apple/swift-argument-parser", from: "1.8.0"),  // the command line
    .package(url: "https://github.com/jpsim/Yams", from: "6.2.0"),  // recipes, settings
    .package(url: "https://github.com/apple/swift-nio", from: "2.86.0"),  // HTTP, with the trait Server
  ] + (docs ? [.package(url: "https://github.com/swiftlang/swift-docc-plugin", from: "1.4.0")] : []),
  targets: [
    .systemLibrary(
      name: "CZstd", pkgConfig: "libzstd", providers: [.apt(["libzstd-dev"]), .brew(["zstd"])]),
    .systemLibrary(
      name: "COpenBLAS", pkgConfig: "openblas",
      providers: [.apt(["libopenblas-dev"]), .brew(["openblas"])]),
    .systemLibrary(
      name: "CCrypto", pkgConfig: "libcrypto", providers: [.apt(["libssl-dev"]), .brew(["openssl"])]),
    .systemLibrary(
      name: "CRE2", pkgConfig: re2, providers: [.apt(["libre2-dev"]), .brew(["re2"])]),
    .target(name: "CRegex", dependencies: ["CRE2"]),
    .target(name: "CKernels", cSettings: [.headerSearchPath(".")] + houseC),
    .target(name: "Support", dependencies: ["CCrypto"], swiftSettings: computing),
    .target(name: "CMapGuard", cSettings: houseC),
    .target(name: "CBuild", cSettings: (commit.map { [.define("TINA_COMMIT", to: $0)] } ?? []) + houseC),
    .target(name: "ModelFiles", dependencies: ["CMapGuard", "Support"], swiftSettings: computing),
    .target(
      name: "AdapterFormat", dependencies: ["ModelFiles", "Support", "CZstd", "COpenBLAS", "CRegex"],
      swiftSettings: computing),
    .target(name: "Tokenization", dependencies: ["ModelFiles", "Support"], swiftSettings: computing),
    .target(name: "CTransfer", cSettings: houseC),
    .target(name: "CEdit", cSettings: houseC),
    .target(name: "CMPI", cSettings: houseC),
    .target(name: "Processes", dependencies: ["CMPI", "ModelFiles", "Support"], swiftSettings: computing),
    .target(name: "TerminalChat", dependencies: ["CEdit", "Support"], swiftSettings: house),
    .target(name: "Transfer", dependencies: ["CTransfer", "ModelFiles", "Support"], swiftSettings: house),
    .target(name: "Hub", dependencies: ["ModelFiles", "Support", "Transfer"], swiftSettings: house),
    .target(
      name: "TinaRuntime",
      dependencies: ["AdapterFormat", "CKernels", "ModelFiles", "Support", "Tokenization"],
      path: "Sources/Runtime", swiftSettings: computing),
    .systemLibrary(
      name: "CFlint", providers: [.apt(["libflint-dev", "libflint-arb-dev"]), .brew(["flint"])]),
    .systemLibrary(name: "CArb", providers: [.apt(["libflint-arb-dev"])]),
    .target(name: "Grading", dependencies: ["CArb", "CFlint", "Support"], swiftSettings: house),
    .target(name: "CChild", cSettings: houseC),
    .target(name: "CPriority", cSettings: houseC),
    .target(name: "Judging", dependencies: ["CChild", "ModelFiles", "Support"], swiftSettings: house),
    .target(name: "Reporting", dependencies: ["Support"], swiftSettings: computing),
    .target(name: "Problems", dependencies: ["ModelFiles", "Support"], swiftSettings: computing),
    .target(
      name: "Measuring", dependencies: ["AdapterFormat", "CKernels", "ModelFiles", "Support", "TinaRuntime"],
      swiftSettings: computing),
    .target(
      name: "Evaluation",
      dependencies: [
        "AdapterFormat", "Grading", "Judging", "ModelFiles", "Problems", "Processes", "Reporting", "Support",
        "Tokenization", "TinaRuntime", "Transfer",
      ], swiftSettings: computing),
    .target(
      name: "Trainer",
      dependencies: [
        "AdapterFormat", "CBuild", "CKernels", "Grading", "Judging", "ModelFiles", "Problems", "Processes",
        "Reporting", "Support", "Tokenization", "TinaRuntime", "Transfer",
        .product(name: "Yams", package: "Yams"),
      ], swiftSettings: house),
    .target(
      name: "Sweeping",
      dependencies: ["Evaluation", "ModelFiles", "Processes", "Reporting", "Support", "Trainer"],
      swiftSettings: house),
    .target(
      name: "Merging",
      dependencies: ["AdapterFormat", "CKernels", "ModelFiles", "Support", "Tokenization", "TinaRuntime"],
      swiftSettings: house),
    .target(
      name: "Serving",
      dependencies: ["AdapterFormat", "ModelFiles", "Support", "Tokenization", "TinaRuntime"]
        + ["NIOCore", "NIOPosix", "NIOHTTP1"].map {
          .product(name: $0, package: "swift-nio", condition: .when(traits: ["Server"]))
        },
      resources: [
        "page.html", "page.css", "text.css", "tex-names.js", "tex.js", "tex-macros.js", "markdown.js",
        "dom.js",
        "server.js", "answer.js", "column.js", "page.js",
      ].map { .embedInCode("Page/\($0)") }, swiftSettings: house),
    .executableTarget(
      name: "tina",
      dependencies: [
        "AdapterFormat", "CBuild", "CKernels", "CPriority", "Evaluation", "Grading", "Hub", "Judging",
        "Measuring", "Merging", "ModelFiles", "Problems", "Processes", "Serving", "Support", "Sweeping",
        "TerminalChat", "Tokenization", "TinaRuntime", "Trainer", "Transfer",
        .product(name: "ArgumentParser", package: "swift-argument-parser"),
        .product(name: "Yams", package: "Yams"),
      ], swiftSettings: house),
    .executableTarget(
      name: "format-benchmark", dependencies: ["AdapterFormat", "CZstd", "ModelFiles"],
      path: "Benchmarks/format", swiftSettings: house),
    .executableTarget(
      name: "training-benchmark", dependencies: ["Measuring", "ModelFiles", "TinaRuntime", "Trainer"],
      path: "Benchmarks/training",
      swiftSettings: house),
    .executableTarget(
      name: "speculation-benchmark", dependencies: ["ModelFiles", "Support", "TinaRuntime", "Tokenization"],
      path: "Benchmarks/speculation", swiftSettings: house),
    // As another package's programs are: with the compiler's own settings.
    .executableTarget(name: "example-sample", dependencies: ["TinaRuntime"], path: "Examples/sample"),
    .executableTarget(name: "example-compare", dependencies: ["AdapterFormat"], path: "Examples/compare"),
    .executableTarget(name: "example-grader", dependencies: ["TinaRuntime"], path: "Examples/grader"),
    .executableTarget(
      name: "example-reward", dependencies: ["TinaRuntime", "Trainer"], path: "Examples/reward",
      exclude: ["near_answer.py", "last_number.py"]),

    .target(
      name: "TestSupport", dependencies: ["Processes"], path: "Tests/Support", swiftSettings: computing),
    .testTarget(name: "SupportTests", dependencies: ["Support", "TestSupport"], swiftSettings: house),
    .testTarget(name: "CKernelsTests", dependencies: ["CKernels", "TestSupport"], swiftSettings: computing),
    .testTarget(name: "ModelFilesTests", dependencies: ["ModelFiles", "TestSupport"], swiftSettings: house),
    .testTarget(
      name: "AdapterFormatTests", dependencies: ["AdapterFormat", "ModelFiles", "TestSupport"],
      exclude: ["Fixtures"], swiftSettings: house),
    .testTarget(
      name: "TokenizationTests", dependencies: ["ModelFiles", "TestSupport", "Tokenization"],
      exclude: ["Fixtures"], swiftSettings: house),
    .testTarget(
      name: "RuntimeTests",
      dependencies: [
        "AdapterFormat", "CKernels", "ModelFiles", "TestSupport", "TinaRuntime", "Tokenization",
      ],
      exclude: ["Fixtures"], swiftSettings: house),
    .testTarget(
      name: "HubTests", dependencies: ["Hub", "ModelFiles", "Support", "TestSupport", "Transfer"],
      swiftSettings: house),
    .testTarget(
      name: "TransferTests", dependencies: ["ModelFiles", "TestSupport", "Transfer"], swiftSettings: house),
    .testTarget(
      name: "TerminalChatTests", dependencies: ["TerminalChat", "TestSupport"], swiftSettings: house),
    .testTarget(name: "ReportingTests", dependencies: ["Reporting"], swiftSettings: house),
    .testTarget(
      name: "JudgingTests", dependencies: ["CChild", "Judging", "ModelFiles", "Support", "TestSupport"],
      swiftSettings: house),
    .testTarget(name: "GradingTests", dependencies: ["Grading", "TestSupport"], swiftSettings: house),
    .testTarget(
      name: "ProblemsTests", dependencies: ["ModelFiles", "Problems", "TestSupport"], swiftSettings: house),
    .testTarget(
      name: "EvaluationTests",
      dependencies: [
        "Evaluation", "Grading", "ModelFiles", "Problems", "Processes", "TestSupport", "TinaRuntime",
        "Tokenization", "Transfer",
      ],
      swiftSettings: house),
    .testTarget(
      name: "ProcessesTests", dependencies: ["ModelFiles", "Processes", "TestSupport"], swiftSettings: house),
    .testTarget(
      name: "TrainerTests",
      dependencies: [
        "AdapterFormat", "CKernels", "Judging", "ModelFiles", "Problems", "Processes", "TestSupport",
        "TinaRuntime", "Tokenization", "Trainer",
      ], exclude: ["Fixtures"], swiftSettings: house),
    .testTarget(
      name: "SweepingTests",
      dependencies: ["Evaluation", "ModelFiles", "Reporting", "Sweeping", "TestSupport", "Trainer"],
      swiftSettings: house),
    .testTarget(
      name: "MergingTests",
      dependencies: [
        "AdapterFormat", "CKernels", "Merging", "ModelFiles", "Support", "TestSupport", "TinaRuntime",
      ],
      exclude: ["Fixtures"], swiftSettings: house),
    .testTarget(
      name: "ServingTests",
      dependencies: [
        "AdapterFormat", "ModelFiles", "Serving", "Support", "TestSupport", "TinaRuntime", "Tokenization",
        "Transfer",
      ]
        + ["NIOCore", "NIOPosix", "NIOHTTP1"].map {
          .product(name: $0, package: "swift-nio", condition: .when(traits: ["Server"]))
        }, swiftSettings: house),
    .testTarget(
      name: "TinaTests", dependencies: ["Measuring", "ModelFiles", "TestSupport", "Transfer", "tina"],
      swiftSettings: house),
  ],
  swiftLanguageModes: [.v6], cxxLanguageStandard: .cxx17
)

// scripts/sanitize builds what the engine's tests need and no more.
if let names = ProcessInfo.processInfo.environment["TINA_TARGETS"]?.split(separator: " ").map(String.init) {
  package.targets.removeAll { !names.contains($0.name) }
  package.targets.first { $0.name == "RuntimeTests" }?.sources = [
    "EngineTests.swift", "SchedulingTests.swift", "StopTextTests.swift", "Support.swift",
  ]
  package.products = []
  package.dependencies = []
}
