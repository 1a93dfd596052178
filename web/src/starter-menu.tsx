import { StarIcon, ToolbarButton, ToolbarMenu, useGraphiQL, useGraphiQLActions } from '@graphiql/react';
import { starters } from './starters';

/**
 * Opens a starter in a new tab. GraphiQL remembers the tabs that someone left open, so this is the way back to a
 * starter that was closed or changed, and to those that a newer gateway brought.
 */
export function StarterMenu() {
  const { addTab } = useGraphiQLActions();
  const editor = useGraphiQL((state) => state.queryEditor);

  return (
    <ToolbarMenu
      button={
        <ToolbarButton label="Open a starter">
          <StarIcon className="graphiql-toolbar-icon" aria-hidden="true" />
        </ToolbarButton>
      }
    >
      {starters.map(({ name, query }) => (
        <ToolbarMenu.Item
          key={name}
          onSelect={() => {
            addTab();
            editor?.setValue(query);
          }}
        >
          {name}
        </ToolbarMenu.Item>
      ))}
    </ToolbarMenu>
  );
}
