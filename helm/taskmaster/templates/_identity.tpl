{{/* Who may sign in, and which sources are believed. What belongs together, and keys that hold. Takes at, settings. */}}
{{- define "taskmaster.faultsOfIdentity" -}}
{{- $faults := list -}}
{{- $at := .at -}}
{{- $settings := .settings -}}
{{- range $prefix := list "OIDC" "EVENT_OIDC" -}}
{{- $issuer := get $settings (printf "%s_ISSUER" $prefix) -}}
{{- $audience := get $settings (printf "%s_AUDIENCE" $prefix) -}}
{{- $url := get $settings (printf "%s_JWKS_URL" $prefix) -}}
{{- $keys := get $settings (printf "%s_JWKS" $prefix) -}}
{{- if and $issuer (not $audience) -}}
{{- $faults = append $faults (printf "%s.%s_ISSUER is given without %s_AUDIENCE: say for whom its tokens have to be, or any token of that issuer would do." $at $prefix $prefix) -}}
{{- else if and $audience (not $issuer) -}}
{{- $faults = append $faults (printf "%s.%s_AUDIENCE is given without %s_ISSUER: say who signs the tokens." $at $prefix $prefix) -}}
{{- else if and (or $url $keys) (not $issuer) -}}
{{- $faults = append $faults (printf "%s.%s_%s is given without %s_ISSUER: say whose keys they are." $at $prefix (ternary "JWKS" "JWKS_URL" (empty $url)) $prefix) -}}
{{- end -}}
{{- if and $issuer (not $url) (not $keys) (not (regexMatch "^https?://[A-Za-z0-9[]" $issuer)) -}}
{{- $faults = append $faults (printf "%s.%s_ISSUER is %s: it has to be an address such as https://id.example.com, exactly as the tokens' claim iss has it, or be given with its keys." $at $prefix $issuer) -}}
{{- end -}}
{{- if and $url $keys -}}
{{- $faults = append $faults (printf "%s.%s_JWKS_URL and %s.%s_JWKS are both given: keys come from one place." $at $prefix $at $prefix) -}}
{{- end -}}
{{- if $keys -}}
{{- $set := fromJson $keys -}}
{{- $found := get $set "keys" -}}
{{- if not (and (kindIs "slice" $found) $found) -}}
{{- $faults = append $faults (printf "%s.%s_JWKS is no JWK set: it has to be JSON with a list of keys, {\"keys\": [{\"kty\": ...}]}." $at $prefix) -}}
{{- else -}}
{{- range $found -}}
{{- if not (kindIs "map" .) -}}
{{- $faults = append $faults (printf "%s.%s_JWKS holds what is no key: each has to be an object with kty." $at $prefix) -}}
{{- else if or (hasKey . "d") (hasKey . "k") -}}
{{- $faults = append $faults (printf "%s.%s_JWKS holds a private key, and would show it to whoever reads the ConfigMap or the release: give the public keys alone, and consider that key known." $at $prefix) -}}
{{- end -}}
{{- end -}}
{{- end -}}
{{- else -}}
{{- with $url | default $issuer -}}
{{- if contains "kubernetes.default.svc" . -}}
{{- $faults = append $faults (printf "%s.%s_%s is the cluster's own API, for which the functions have no token: give its keys themselves, as %s_JWKS, which is what `kubectl get --raw /openid/v1/jwks` prints." $at $prefix (ternary "ISSUER" "JWKS_URL" (empty $url)) $prefix) -}}
{{- else if not (or (hasPrefix "https://" .) (regexMatch "^http://[^/@]*[.]svc([.]cluster[.]local)?[.]?(:[0-9]+)?(/|$)" .)) -}}
{{- $faults = append $faults (printf "%s.%s_%s is %s, and keys come by https, or by http from a Service of the cluster: http://NAME.NAMESPACE.svc." $at $prefix (ternary "ISSUER" "JWKS_URL" (empty $url)) .) -}}
{{- end -}}
{{- end -}}
{{- end -}}
{{- end -}}
{{- if and (get $settings "EVENT_OIDC_REQUIRED") (not (get $settings "EVENT_OIDC_ISSUER")) -}}
{{- $faults = append $faults (printf "%s.EVENT_OIDC_REQUIRED is true without EVENT_OIDC_ISSUER: no event would be taken." $at) -}}
{{- end -}}
{{- toYaml ($faults | uniq) -}}
{{- end -}}
