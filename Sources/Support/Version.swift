/// The version of the package.
package let tinaVersion = "0.1.0"
