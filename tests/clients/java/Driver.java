// Drives the stock Java provider by the lines that tests/src/testbed/driver.rs describes.

import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.ObjectMapper;
import dev.openfeature.contrib.providers.flagd.Config;
import dev.openfeature.contrib.providers.flagd.FlagdOptions;
import dev.openfeature.contrib.providers.flagd.FlagdProvider;
import dev.openfeature.sdk.Client;
import dev.openfeature.sdk.EvaluationContext;
import dev.openfeature.sdk.FlagEvaluationDetails;
import dev.openfeature.sdk.ImmutableContext;
import dev.openfeature.sdk.NoOpProvider;
import dev.openfeature.sdk.OpenFeatureAPI;
import dev.openfeature.sdk.ProviderEvent;
import dev.openfeature.sdk.Structure;
import dev.openfeature.sdk.Value;
import java.io.BufferedReader;
import java.io.InputStreamReader;
import java.io.PrintStream;
import java.util.ArrayList;
import java.util.HashMap;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;

public class Driver {
    private static final ObjectMapper JSON = new ObjectMapper();
    private static final PrintStream OUT = System.out;
    private static final OpenFeatureAPI API = OpenFeatureAPI.getInstance();
    private static final Map<String, ProviderEvent> EVENTS =
            Map.of(
                    "ready", ProviderEvent.PROVIDER_READY,
                    "stale", ProviderEvent.PROVIDER_STALE,
                    "error", ProviderEvent.PROVIDER_ERROR,
                    "change", ProviderEvent.PROVIDER_CONFIGURATION_CHANGED);

    public static void main(String[] args) throws Exception {
        var input = new BufferedReader(new InputStreamReader(System.in, "UTF-8"));
        for (String line = input.readLine(); line != null; line = input.readLine()) {
            JsonNode ask = JSON.readTree(line);
            new Thread(() -> say(answerOrError(ask))).start();
        }
        System.exit(0);
    }

    private static Map<String, Object> answerOrError(JsonNode ask) {
        var said = new LinkedHashMap<String, Object>();
        said.put("provider", ask.get("provider").asText());
        try {
            said.putAll(answer(ask));
        } catch (Exception error) {
            said.put("error", String.valueOf(error));
        }
        return said;
    }

    private static Map<String, Object> answer(JsonNode ask) {
        String provider = ask.get("provider").asText();
        switch (ask.get("op").asText()) {
            case "open":
                tellEvents(provider);
                API.setProviderAndWait(provider, provider(ask));
                return Map.of();
            case "evaluate":
                return evaluate(API.getClient(provider), ask);
            default:
                API.setProviderAndWait(provider, new NoOpProvider());
                return Map.of();
        }
    }

    private static FlagdProvider provider(JsonNode ask) {
        boolean rpc = ask.get("kind").asText().equals("rpc");
        JsonNode options = ask.get("options");
        var builder =
                FlagdOptions.builder()
                        .host("127.0.0.1")
                        .port(ask.get("port").asInt())
                        .resolverType(rpc ? Config.Resolver.RPC : Config.Resolver.IN_PROCESS)
                        .deadline(5000)
                        .retryBackoffMs(100)
                        .retryGracePeriod(2);
        if (options.has("selector")) {
            builder.selector(options.get("selector").asText());
        }
        if (options.has("cache")) {
            builder.cacheType(options.get("cache").asText());
        }
        return new FlagdProvider(builder.build());
    }

    private static void tellEvents(String provider) {
        Client client = API.getClient(provider);
        EVENTS.forEach(
                (event, kind) ->
                        client.on(
                                kind,
                                details -> {
                                    List<String> flags = details.getFlagsChanged();
                                    var line = new LinkedHashMap<String, Object>();
                                    line.put("event", event);
                                    line.put("provider", provider);
                                    line.put("flags", flags == null ? List.of() : flags);
                                    say(line);
                                }));
    }

    private static Map<String, Object> evaluate(Client client, JsonNode ask) {
        String key = ask.get("key").asText();
        JsonNode fallback = ask.get("default");
        EvaluationContext context = context(ask.get("context"));
        FlagEvaluationDetails<?> details;
        switch (ask.get("type").asText()) {
            case "Boolean":
                details = client.getBooleanDetails(key, fallback.asBoolean(), context);
                break;
            case "String":
                details = client.getStringDetails(key, fallback.asText(), context);
                break;
            case "Integer":
                details = client.getIntegerDetails(key, fallback.asInt(), context);
                break;
            case "Float":
                details = client.getDoubleDetails(key, fallback.asDouble(), context);
                break;
            default:
                details = client.getObjectDetails(key, value(fallback), context);
        }
        var answer = new LinkedHashMap<String, Object>();
        answer.put("value", plain(details.getValue()));
        answer.put("variant", details.getVariant());
        answer.put("reason", details.getReason());
        answer.put("errorCode", details.getErrorCode());
        answer.put("errorMessage", details.getErrorMessage());
        answer.put("metadata", details.getFlagMetadata().asUnmodifiableMap());
        return answer;
    }

    private static EvaluationContext context(JsonNode node) {
        Map<String, Value> attributes = value(node).asStructure().asMap();
        Map<String, Value> others = new HashMap<>(attributes);
        Value key = attributes.get("targetingKey");
        if (key == null || !key.isString()) {
            return new ImmutableContext(others);
        }
        others.remove("targetingKey");
        return new ImmutableContext(key.asString(), others);
    }

    private static Value value(JsonNode node) {
        if (node.isBoolean()) {
            return new Value(node.asBoolean());
        } else if (node.isTextual()) {
            return new Value(node.asText());
        } else if (node.isInt()) {
            return new Value(node.asInt());
        } else if (node.isNumber()) {
            return new Value(node.asDouble());
        } else if (node.isArray()) {
            List<Value> items = new ArrayList<>();
            node.forEach(item -> items.add(value(item)));
            return new Value(items);
        } else if (node.isObject()) {
            Map<String, Value> members = new LinkedHashMap<>();
            node.fields().forEachRemaining(member -> members.put(member.getKey(), value(member.getValue())));
            return new Value(new dev.openfeature.sdk.ImmutableStructure(members));
        }
        return new Value();
    }

    private static Object plain(Object object) {
        if (!(object instanceof Value)) {
            return object;
        }
        Value value = (Value) object;
        if (value.isStructure()) {
            Map<String, Object> members = new LinkedHashMap<>();
            Structure structure = value.asStructure();
            structure.asMap().forEach((key, member) -> members.put(key, plain(member)));
            return members;
        } else if (value.isList()) {
            List<Object> items = new ArrayList<>();
            value.asList().forEach(item -> items.add(plain(item)));
            return items;
        }
        return value.asObject();
    }

    private static synchronized void say(Map<String, Object> line) {
        try {
            OUT.println(JSON.writeValueAsString(line));
            OUT.flush();
        } catch (Exception error) {
            throw new IllegalStateException(error);
        }
    }
}
