//go:build tools

// Package tools names what is built: Jaeger, in the version of go.mod.
package tools

import _ "github.com/jaegertracing/jaeger/cmd/all-in-one"
